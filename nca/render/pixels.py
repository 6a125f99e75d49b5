"""From the pixels of any picture file to red, green, blue and cover, as numbers from 0 to 1.

Legend: H height, W width.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from nca.errors import PictureError

BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
"""Of the tags of a TIFF."""

PART = 1 << 20
"""Pixels of a large picture that are worked on at once."""

VIA_RGB = frozenset(("CMYK", "HSV", "YCbCr"))
UNMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


@dataclass(frozen=True)
class Tones:
    """Which number of a grey picture of more than 8 bits is black, and which is white.

    Attributes:
        black: The one.
        white: The other; it may be the lower one.
        said: What to say of it, where the file itself does not tell.
    """

    black: float
    white: float
    said: str = ""


def tones(image: Image.Image, name: str) -> Tones | None:
    """Return the tones of a loaded picture; None where its pixels have 8 bits or fewer.

    Raises:
        PictureError: Its numbers are not finite, or all alike and beyond 0 to 1.
    """
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = tags.get(BITS_PER_SAMPLE, 16)
        most = 2 ** (bits[0] if isinstance(bits, tuple) else bits) - 1
        inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
        return Tones(most, 0) if inverted else Tones(0, most)
    if image.mode not in ("I", "F"):
        return None
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if image.format in ("PNG", "PPM"):
        return Tones(0, 65535)
    if image.mode == "F" and low >= 0 and high <= 1:
        return Tones(0, 1)
    if not (np.isfinite([low, high]).all() and low < high):
        raise PictureError(
            "the picture's numbers cannot be spread from black to white.",
            where=f"{name}: they reach from {low:g} to {high:g}",
            to_do="scale them to 0 to 1, or save it with 8 or 16 bits",
        )
    said = f"{name}: its numbers, from {low:g} to {high:g}, are spread from black to white"
    return Tones(low, high, said)


def straight(image: Image.Image, grey: Tones | None) -> np.ndarray:
    """Return a picture or a part of it, `(H, W, 4)` float32, colours not multiplied by cover.

    Args:
        image: In any mode of Pillow.
        grey: Its tones; None where it has 8 bits or fewer.
    """
    if grey is None:
        return np.asarray(_rgba(image), dtype=np.float32) / 255
    values = np.asarray(image)
    shade = (values.astype(np.float64) - grey.black) / (grey.white - grey.black)
    cover = np.ones_like(shade)
    if isinstance(clear := image.info.get("transparency"), int):
        cover = (values != clear).astype(np.float64)
    return np.stack([shade, shade, shade, cover], axis=-1).clip(0, 1).astype(np.float32)


def thinned(image: Image.Image, grey: Tones | None, block: int) -> np.ndarray:
    """Return a picture as `straight` does, the mean over blocks of pixels, part after part.

    Args:
        image: In any mode of Pillow.
        grey: Its tones; None where it has 8 bits or fewer.
        block: Pixels along each side of a block; the last ones may be smaller.
    """
    width, height = image.size
    total = np.zeros((-(-height // block), -(-width // block), 4))
    rows = min(height, 1024)
    columns = min(width, max(1, PART // rows))
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            edges = left, top, min(left + columns, width), min(top + rows, height)
            part = image.crop(edges)
            part.info = image.info
            pixels = straight(part, grey)
            pixels[..., :3] *= pixels[..., 3:]
            down, starts_down = _blocks(edges[1], edges[3], block)
            across, starts_across = _blocks(edges[0], edges[2], block)
            sums = np.add.reduceat(np.add.reduceat(pixels, starts_down, 0), starts_across, 1)
            total[down[:, None], across[None]] += sums
    counts = _lengths(height, block)[:, None, None] * _lengths(width, block)[None, :, None]
    mean = total / counts
    mean[..., :3] /= np.where(mean[..., 3:] > 0, mean[..., 3:], 1)
    return mean.clip(0, 1).astype(np.float32)


def _blocks(begin: int, end: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the blocks that a stretch of pixels meets, and where in it each begins."""
    number = np.arange(begin, end) // block
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return number[starts], starts


def _lengths(side: int, block: int) -> np.ndarray:
    return np.diff(np.append(np.arange(0, side, block), side))


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return `(H, W, ...)` as a camera held it: `orientation` is that of EXIF, from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _rgba(image: Image.Image) -> Image.Image:
    image = image.convert(UNMULTIPLIED.get(image.mode, image.mode))
    return (image.convert("RGB") if image.mode in VIA_RGB else image).convert("RGBA")
