"""A person's picture, from a message or a file that is not to be trusted."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nca.errors import NCAError
from nca.types import Size

LARGEST = 1024
"""Pixels along a side beyond which a picture is refused before it is unpacked."""


def decoded(text: str, size: Size) -> Tensor:
    """Return a PNG as red, green, blue and cover, `(4, *size)`, from 0 to 1.

    It keeps its proportions and is set into the middle; what is beside it is not covered.

    Args:
        text: The file in base 64.
        size: Height and width of the outcome, in pixels.

    Raises:
        NCAError: It is no PNG, or too large.
    """
    try:
        raw = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as sent:
            if max(sent.size) > LARGEST:
                raise ValueError(f"it has {sent.width}x{sent.height} pixels")
            picture = sent.convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as fault:
        raise NCAError(
            "the picture cannot be read.",
            where=f"{type(fault).__name__}: {fault}",
            to_do=f"give a PNG in base 64, of at most {LARGEST} pixels along a side",
        ) from fault
    return fit_to_grid(picture, size)


def read_picture(path: Path, size: Size) -> Tensor:
    """Return a picture file of any kind that Pillow reads, as `decoded` does.

    Raises:
        NCAError: It is missing, or no picture.
    """
    with opened(path) as picture:
        return fit_to_grid(picture.convert("RGBA"), size)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture file of any kind that Pillow reads.

    Raises:
        NCAError: It is missing, or no picture, which may show only as it is read.
    """
    try:
        with Image.open(path) as picture:
            yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise NCAError(
            "the picture cannot be read.",
            where=f"{path}: {type(fault).__name__}: {fault}",
            to_do="give a PNG, JPEG or another file that Pillow reads",
        ) from fault


def fit_to_grid(picture: Image.Image, size: Size) -> Tensor:
    """Return a picture with transparency in the middle of a sheet, `(4, *size)`, from 0 to 1."""
    height, width = size
    scale = min(height / picture.height, width / picture.width)
    inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if inner != picture.size:
        picture = picture.resize(inner, Image.Resampling.BOX)
    sheet = Image.new("RGBA", (width, height))
    sheet.paste(picture, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    pixels = torch.from_numpy(np.asarray(sheet).copy())
    return pixels.permute(2, 0, 1).float() / 255
