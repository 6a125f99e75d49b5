"""A person's picture, from a message that is not to be trusted."""

import base64

from torch import Tensor

from nca.errors import PictureError
from nca.render.pictures import decode, fit_to_grid
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
        PictureError: It is no PNG, or too large.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as fault:
        raise PictureError(
            "the picture cannot be read.",
            where=f"a message: {fault}",
            to_do=f"give a PNG in base 64, of at most {LARGEST} pixels along a side",
        ) from fault
    picture = decode(content, "a message", side=max(size), formats=("PNG",), longest=LARGEST)
    return fit_to_grid(picture, size)
