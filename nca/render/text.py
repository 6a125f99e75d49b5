"""The letters of pictures: a font that comes with matplotlib, and has ticks and crosses."""

import functools
import importlib.util
from pathlib import Path

from PIL import ImageFont

SIZE = 11
TICK = "\u2713"
PLAIN_TICK = "(right)"


@functools.cache
def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all pictures; Pillow's own where matplotlib's is not to be found."""
    found = importlib.util.find_spec("matplotlib")  # which does not import it
    for folder in (found and found.submodule_search_locations) or ():
        file = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(file, SIZE)
    return ImageFont.load_default(SIZE + 1)


def readable(text: str) -> str:
    """Return a text as the font can write it, in one line."""
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    name = getattr(font(), "path", "")
    return text if str(name).endswith("DejaVuSans.ttf") else text.replace(TICK, PLAIN_TICK)


def width_of(text: str) -> int:
    """Return how many pixels wide a text is."""
    return -int(-font().getlength(readable(text)) // 1)
