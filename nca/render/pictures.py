"""The one reader of pictures, for every door: files and bytes in, colours and cover out.

    read_picture_file(path)                                bytes, or why there are none
    pictures_in(folder)                            its pictures, in the order of their numbers
    decode(content, name, side=40)                 the first frame of the bytes, upright
    decode_frames(content, name, take, side=40)    all frames, one after the other

Few formats are opened, none of which starts another program, and none beyond `MOST_PIXELS`,
which is asked before anything is unpacked. What is left out or converted is said: as an
`NCAWarning`, which commands print.

Legend: H height, W width.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, ImageSequence
from torch import Tensor

from nca.errors import LongPictureError, NCAError, NCAWarning, PictureError
from nca.render.picture_files import SUFFIXES, is_picture, pictures_in, read_picture_file
from nca.render.pixels import straight, thinned, tones, upright
from nca.types import Size

MOST_PIXELS = 150_000_000
LARGE = 1 << 22
"""Pixels beyond which a picture is thinned out to `OVERSAMPLED` times the side it is needed at."""
OVERSAMPLED = 4
SIGNATURES = (
    (b"%!PS", "an EPS"),
    (b"\xc5\xd0\xd3\xc6", "an EPS"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a file of Photoshop"),
    (b"gimp xcf", "a file of GIMP"),
    (b"<svg", "an SVG"),
    (b"<?xml", "an SVG, or other XML"),
    (b"<!doctype html", "a page of HTML"),
    (b"<html", "a page of HTML"),
    (b"\0\0\0\x0cjp  ", "a JPEG 2000"),
    (b"\0\x05\x16\x07", "a side file that macOS keeps beside another file"),
    (b"version https://git-lfs", "a pointer of Git LFS: run git lfs pull"),
)

__all__ = [
    "Picture",
    "decode",
    "decode_frames",
    "drawn",
    "fit_to_grid",
    "fit_to_side",
    "grid_pictures",
    "is_picture",
    "pictures_in",
    "read_picture_file",
]

Taken = TypeVar("Taken")


@dataclass(frozen=True)
class Picture:
    """A picture that has been decoded.

    Attributes:
        pixels: `(H, W, 4)`, float32, from 0 to 1: red, green, blue, not multiplied by it, cover.
        transparent: Whether the file says of any pixel that it is transparent.
        mode: How its pixels are kept, in Pillow's words.
        numbers: `(H, W)`, what the file holds where that is no colour: places in a palette of
            colours, or grey of more than 8 bits; None elsewhere, and where it was thinned out.
    """

    pixels: np.ndarray
    transparent: bool
    mode: str
    numbers: np.ndarray | None = None

    @classmethod
    def of(cls, image: Image.Image) -> "Picture":
        """Return a picture in memory."""
        grey = tones(image, "a picture in memory")
        return cls(straight(image, grey), image.has_transparency_data, image.mode)


def drawn(image: Image.Image, name: str, side: int) -> Picture:
    """Return a picture that a program has drawn, under the limits of those that are read.

    Args:
        image: What was drawn.
        name: What to call it.
        side: As of `decode`.

    Raises:
        PictureError: It is empty, or too large.
    """
    if not min(image.size):
        raise PictureError(
            f"the picture is empty: {image.width}x{image.height} pixels.",
            where=name,
            to_do="give it at least one pixel",
        )
    try:
        image.load()
    except (OSError, ValueError) as fault:  # it was closed, or opened from a damaged file
        raise PictureError(
            f"the picture cannot be used: {_first_line(fault)}.",
            where=name,
            to_do="return a picture that is open and whole",
        ) from fault
    return _decoded(image, name, side)


def decode(
    content: bytes,
    name: str,
    *,
    side: int,
    formats: Sequence[str] = tuple(SUFFIXES),
    longest: int | None = None,
) -> Picture:
    """Return the first frame of a picture file, upright.

    Args:
        content: All of its bytes.
        name: What to call it.
        side: Pixels along the longer side that are needed; a large picture has at least
            `OVERSAMPLED` times as many, a smaller one all that it has.
        formats: Those that may be opened.
        longest: Pixels along a side beyond which it is refused.

    Raises:
        PictureError: It is no picture of these formats, damaged, or too large.
    """
    with _decoding(content, name, formats, longest) as opened:
        frames = getattr(opened, "n_frames", 1)
        if frames > 1 and opened.format != "MPO":  # a photograph with its preview
            _say(f"{name}: the first of its {frames} pictures is taken")
        return _decoded(opened, name, side)


def decode_frames(
    content: bytes, name: str, take: Callable[[Picture], Taken], *, side: int
) -> list[Taken]:
    """Return what is made of each frame of a picture file, one after the other.

    Args:
        content: All of its bytes.
        name: What to call it.
        take: Makes something of a frame.
        side: As of `decode`.

    Raises:
        PictureError: As by `decode`.
    """
    with _decoding(content, name, tuple(SUFFIXES), None) as opened:
        if opened.format == "MPO":
            return [take(_decoded(opened, name, side))]
        frames = ImageSequence.Iterator(opened)
        return [take(_decoded(frame, name, side)) for frame in frames]


def fit_to_grid(picture: Picture, size: Size) -> Tensor:
    """Return a picture in the middle of a sheet, `(4, *size)`, from 0 to 1.

    It keeps its proportions; what is beside it is not covered.
    """
    (height, width), (high, wide) = size, picture.pixels.shape[:2]
    image = _scaled(picture, min(height / high, width / wide))
    sheet = Image.new("RGBA", (width, height))
    sheet.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return _channels_first(sheet)


def fit_to_side(picture: Picture, side: int) -> Tensor:
    """Return a picture, `(4, H, W)`, from 0 to 1, with at most `side` pixels along each side.

    A smaller one stays as it is.
    """
    longest = max(picture.pixels.shape[:2])
    if longest <= side:
        return torch.from_numpy(picture.pixels).permute(2, 0, 1).contiguous()
    return _channels_first(_scaled(picture, side / longest))


def _scaled(picture: Picture, scale: float) -> Image.Image:
    """Return a picture in RGBA with 8 bits, scaled in proportion; no side has less than a pixel."""
    image = Image.fromarray((picture.pixels * 255).round().astype(np.uint8))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if size == image.size else image.resize(size, Image.Resampling.BOX)


def _channels_first(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.asarray(image).copy())
    return pixels.permute(2, 0, 1).float() / 255


def grid_pictures(files: Iterable[Path], size: Size) -> tuple[Tensor, ...]:
    """Return picture files as `fit_to_grid` sets them onto a sheet.

    Raises:
        PictureError: One is missing or no picture.
    """
    longest = max(size, default=1)
    return tuple(
        fit_to_grid(decode(read_picture_file(file), str(file), side=longest), size)
        for file in files
    )


@contextmanager
def _decoding(
    content: bytes, name: str, formats: Sequence[str], longest: int | None
) -> Iterator[ImageFile.ImageFile]:
    """Open a picture; what goes wrong with it meanwhile is an error, what is odd a warning."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            _check_canvas(content, name)
            Image.init()
            known = [one for one in formats if one in Image.OPEN]
            with Image.open(io.BytesIO(content), formats=known) as opened:
                _check_size(*opened.size, name, longest)
                yield opened
        except NCAError:
            raise
        except MemoryError as fault:
            raise PictureError(
                "the picture takes more memory than there is.",
                where=name,
                to_do="make it smaller: an automaton sees few pixels of it",
            ) from fault
        except Image.DecompressionBombError as fault:
            count = re.search(r"\d+", str(fault))
            raise _too_large(int(count[0]) if count else MOST_PIXELS + 1, name) from fault
        except Exception as fault:  # on a damaged file, each decoder fails in its own way
            raise _refusal(content, name, formats, fault) from fault
    for one in said:
        if issubclass(one.category, NCAWarning):
            _say(str(one.message))
        elif not issubclass(one.category, Image.DecompressionBombWarning | DeprecationWarning):
            _say(f"{name}: {_first_line(one.message)}")


def _decoded(frame: Image.Image, name: str, side: int) -> Picture:
    """Return a frame as a picture, upright, and thinned out where it is large."""
    _check_size(*frame.size, name, None)  # each page of a TIFF has its own
    enough = OVERSAMPLED * side
    if frame.width * frame.height > LARGE:
        frame.draft(None, (enough, enough))
    deep = ";16" in str(getattr(frame, "tile", "")) and frame.mode in ("LA", "RGB", "RGBA", "RGBX")
    frame.load()
    if deep:
        _say(f"{name}: its colours of 16 bits are read with 8")
    grey = tones(frame, name)
    if grey and grey.said:
        _say(grey.said)
    block = max(frame.size) // enough
    numbers = None
    if block > 1 and frame.width * frame.height > LARGE:
        pixels = thinned(frame, grey, block)
    else:
        pixels = straight(frame, grey)
        numbers = np.asarray(frame) if grey or _has_coloured_palette(frame) else None
    orientation = frame.getexif().get(ExifTags.Base.Orientation, 1)
    if numbers is not None:
        numbers = upright(numbers, orientation)
    return Picture(upright(pixels, orientation), frame.has_transparency_data, frame.mode, numbers)


def _has_coloured_palette(image: Image.Image) -> bool:
    if image.mode != "P":
        return False
    colours = image.convert("RGB").getcolors(256) or []
    return any(len({*colour}) > 1 for _, colour in colours if isinstance(colour, tuple))


def _check_canvas(content: bytes, name: str) -> None:
    """Refuse a WebP that claims too much: its decoder makes room as soon as it is opened."""
    if content[:4] == b"RIFF" and content[8:16] == b"WEBPVP8X" and len(content) >= 30:
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        _check_size(width, height, name, None)


def _check_size(width: int, height: int, name: str, longest: int | None) -> None:
    if longest is not None and max(width, height) > longest:
        raise LongPictureError(
            f"the picture has {width}x{height} pixels; at most {longest} along a side are read.",
            where=name,
            to_do="make it smaller",
        )
    if width * height > MOST_PIXELS:
        raise _too_large(width * height, name)


def _too_large(pixels: int, name: str) -> PictureError:
    most = MOST_PIXELS / 1e6
    return PictureError(
        f"the picture has {max(pixels / 1e6, most + 1):,.0f} megapixels; at most {most:,.0f} "
        "are read.",
        where=name,
        to_do="make it smaller: an automaton sees few pixels of it",
    )


def _refusal(content: bytes, name: str, formats: Sequence[str], fault: Exception) -> PictureError:
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kinds = (kind for signature, kind in SIGNATURES if start.startswith(signature.lower()))
    kind = next(kinds, "a HEIC" if content[4:8] == b"ftyp" else "")
    if not content:
        reason = "it is empty"
    elif kind:
        reason = f"it is {kind}"
    elif isinstance(fault, Image.UnidentifiedImageError):
        reason = "it is none of the formats that are read, or its beginning is damaged"
    else:
        reason = _first_line(fault)
    return PictureError(
        "the picture cannot be read.",
        where=f"{name}: {reason}",
        to_do=f"give a whole file of one of these: {', '.join(formats)}",
    )


def _first_line(fault: Any) -> str:
    return (str(fault).splitlines() or [""])[0] or type(fault).__name__


def _say(text: str) -> None:
    warnings.warn(text, NCAWarning, stacklevel=3)
