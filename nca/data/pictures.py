"""Picture files for data sets: found in a folder, read, and brought to one size.

Legend: C channel, H height, W width.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nca.files import is_file
from nca.render.picture_files import is_picture, read_picture_file

if TYPE_CHECKING:  # data sets are listed without numpy
    import numpy as np

__all__ = ["Fit", "Mode", "by_number", "pictures_below", "read_picture", "read_picture_file"]

Mode = Literal["grey", "colour"]
Fit = Literal["pad", "crop", "stretch"]
LUMA = (0.299, 0.587, 0.114)
"""How much red, green and blue weigh in grey (ITU-R BT.601)."""


def pictures_below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the picture files in a folder and the folders in it, 10 after 9, and other files.

    What is hidden, `.DS_Store` and `._a.png` say, is no picture.

    Raises:
        OSError: The folder may not be read.
    """
    files = sorted(_files_below(folder), key=lambda file: by_number(file.relative_to(folder)))
    found = [file for file in files if is_picture(file)]
    return found, [file for file in files if file not in set(found)]


def by_number(path: Path) -> list[list[str | int]]:
    """Return what sorts paths by the numbers in their names, 10 after 9."""
    return [_parts(part) for part in path.parts]


def read_picture(
    content: bytes,
    name: str,
    size: tuple[int, int],
    *,
    mode: Mode = "grey",
    fit: Fit = "pad",
    invert: bool = False,
) -> "np.ndarray":
    """Return a picture file as `(C, H, W)`, uint8; what is transparent or beside it is 0.

    Args:
        content: All bytes of the file.
        name: What to call it.
        size: Height and width of the outcome.
        mode: One channel, or red, green and blue.
        fit: Whether it is padded to the form of the outcome, cropped to it, or stretched.
        invert: Whether bright and dark are exchanged, as for ink on white paper; then what is
            transparent counts as paper.

    Raises:
        PictureError: It is no picture that is read, damaged, or too large.
    """
    import numpy as np

    from nca.render.pictures import decode

    pixels = decode(content, name, side=max(size)).pixels  # (H, W, 4)
    colours, cover = pixels[..., :3], pixels[..., 3:]
    laid = (1 - colours) * cover if invert else colours * cover
    if mode == "grey":
        laid = laid @ np.array(LUMA, dtype=np.float32)[:, None]
    sized = _sized(np.ascontiguousarray(laid.transpose(2, 0, 1)), size, fit)
    return (sized.clip(0, 1) * 255).round().astype(np.uint8)


def _sized(channels: "np.ndarray", size: tuple[int, int], fit: Fit) -> "np.ndarray":
    """Return channels `(C, height, width)` at another size."""
    import numpy as np
    from PIL import Image

    (height, width), (wanted, across) = channels.shape[1:], size
    scales = wanted / height, across / width
    if fit != "stretch":
        scale = max(scales) if fit == "crop" else min(scales)
        scales = scale, scale
    inner = max(1, round(height * scales[0])), max(1, round(width * scales[1]))
    out = np.zeros((len(channels), *size), dtype=np.float32)
    (to, of), (to_across, of_across) = map(_overlap, inner, size)
    for number, channel in enumerate(channels):
        image = Image.fromarray(channel)
        if inner != (height, width):
            image = image.resize((inner[1], inner[0]), Image.Resampling.BILINEAR)
        out[number, to, to_across] = np.asarray(image)[of, of_across]
    return out


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Return where one side lies in the middle of another, and which of it that is."""
    at, length = (want - have) // 2, min(have, want)
    return slice(max(0, at), max(0, at) + length), slice(max(0, -at), max(0, -at) + length)


def _files_below(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if is_file(entry):
            yield entry
        elif entry.is_dir() and not entry.name.startswith("."):
            yield from _files_below(entry)


def _parts(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
