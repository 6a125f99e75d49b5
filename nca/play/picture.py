"""A picture in an event: a PNG in base 64, whose size is known before anything is unpacked."""

import base64
import struct
import warnings

from torch import Tensor

from nca.errors import NCAError
from nca.render.upload import LARGEST, decoded
from nca.types import Size

START = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
"""Every PNG begins so: its first chunk is the header."""


def pixels(text: str) -> int:
    """Return how many pixels a PNG says that it has.

    Raises:
        NCAError: It does not begin as a PNG does, or has too many along a side.
    """
    try:
        start = base64.b64decode(text[:32], validate=True)
    except ValueError:
        start = b""
    if len(start) != len(START) + 8 or not start.startswith(START):
        raise _unreadable("it does not begin as a PNG does")
    width, height = struct.unpack(">II", start[len(START) :])
    if min(width, height) < 1 or max(width, height) > LARGEST:
        raise _unreadable(f"it has {width}x{height} pixels")
    return width * height


def picture(text: str, size: Size) -> Tensor:
    """Return a PNG as red, green, blue and cover, `(4, *size)`; see `decoded`.

    Raises:
        NCAError: It is no PNG, or too large.
    """
    pixels(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of what it reads all the same
        try:
            return decoded(text, size)
        except (struct.error, IndexError, KeyError, TypeError, MemoryError) as fault:
            raise _unreadable(f"{type(fault).__name__}: {fault}") from fault


def _unreadable(why: str) -> NCAError:
    return NCAError(
        "the picture cannot be read.",
        where=why,
        to_do=f"give a PNG in base 64, of at most {LARGEST} pixels along a side",
    )
