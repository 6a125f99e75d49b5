"""What formats can hold: sides, pixels, frames; asked before the work is done."""

from pathlib import Path

from PIL import Image

from nca.errors import NCAError

LONGEST = {"GIF": 65_535, "WEBP": 16_383, "JPEG": 65_500, "AVIF": 65_535, "ICO": 256, "MP4": 16_384}
"""Pixels along a side of the formats that have a limit worth the name."""

MOST_PIXELS = 1 << 27
"""Of one picture or frame."""
MOST_FILM = 1 << 31
"""Pixels of all frames of a film that is encoded as a whole; an MP4 takes one after the other."""

FORMATS = {".mp4": "MP4", ".apng": "PNG"}
"""Those that Pillow does not know by their ending."""


def format_of(name: str) -> str:
    """Return the format that the ending of a name stands for; nothing where it is unknown."""
    ending = Path(name).suffix.lower()
    return FORMATS.get(ending) or Image.registered_extensions().get(ending, "")


def check_fits(width: int, height: int, name: str, frames: int = 1) -> None:
    """Refuse a picture or film that its format or the memory cannot hold.

    Args:
        width: In pixels.
        height: In pixels.
        name: The file's name; its ending says the format.
        frames: How many, of a film.

    Raises:
        NCAError: It cannot.
    """
    form = format_of(name)
    longest = LONGEST.get(form)
    if longest is not None and max(width, height) > longest:
        raise NCAError(
            f"a {form} has at most {longest:,} pixels along a side; this one would be "
            f"{width:,}x{height:,}.",
            where=name,
            to_do="draw less: a smaller --scale, fewer --samples or steps; or choose .png",
        )
    if width * height > MOST_PIXELS:
        raise NCAError(
            f"a picture of {width:,}x{height:,} pixels is too large; at most "
            f"{MOST_PIXELS / 1e6:,.0f} megapixels are drawn.",
            where=name,
            to_do="draw less: a smaller --scale, fewer --samples, or a greater --every",
        )
    if form != "MP4" and frames * width * height > MOST_FILM:
        raise NCAError(
            f"a film of {frames:,} frames of {width:,}x{height:,} pixels does not fit into the "
            "memory.",
            where=name,
            to_do="give a greater --every, a smaller --scale or fewer --samples, or choose .mp4",
        )
