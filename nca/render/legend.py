"""Words on sheets, and legends: which colour stands for what."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from nca.render.text import font, readable, width_of

GAP = 6
TEXT = 12
LINE = TEXT + 5
INK = (40, 40, 40)


@dataclass(frozen=True)
class LegendEntry:
    """A colour and what it stands for.

    Attributes:
        name: A word.
        colour: Red, green and blue from 0 to 1; None: a word without a colour.
    """

    name: str
    colour: tuple[float, float, float] | None

    @property
    def width(self) -> int:
        """Pixels that it takes in a row."""
        return (TEXT + GAP // 2 if self.colour else 0) + width_of(self.name) + 2 * GAP


def legend_places(entries: Sequence[LegendEntry], width: int) -> list[tuple[int, int]]:
    """Return left and line of each entry, in lines that are as long as the sheet is wide."""
    places, left, line = [], GAP, 0
    for entry in entries:
        if left > GAP and left + entry.width > width:
            left, line = GAP, line + 1
        places.append((left, line))
        left += entry.width
    return places


def draw_entry(pen: ImageDraw.ImageDraw, entry: LegendEntry, left: int, top: int) -> None:
    """Draw an entry with its upper left corner at a place."""
    if entry.colour is not None:
        red, green, blue = (round(round(255 * part, 3)) for part in entry.colour)
        pen.rectangle((left, top, left + TEXT - 1, top + TEXT - 1), (red, green, blue), outline=INK)
        left += TEXT + GAP // 2
    write_words(pen, (left, top - 1), entry.name)


def write_words(pen: ImageDraw.ImageDraw, place: tuple[int, int], words: str) -> None:
    """Write words with their upper left corner at a place."""
    pen.text(place, readable(words), INK, font())
