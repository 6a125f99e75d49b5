"""How a task wants its automaton shown and touched, in words that no Python is needed to read.

A `Display` says what a cell looks like (its own colours, or the colour of the class that it
chooses), on which level a person may draw, and from which state all begins. A page in a browser
is made from it.

Legend: B batch, C channel, K class, N example, H height, W width.
"""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from nca.engine.state import State
from nca.render.palettes import (
    CLASS_COLOURS,
    COLOUR_MAPS,
    ColourMap,
    class_colours,
    colour_map,
    map_colours,
    paint,
    state_palette,
)

__all__ = [
    "CLASS_COLOURS",
    "COLOUR_MAPS",
    "Canvas",
    "ChannelColours",
    "ClassColours",
    "Display",
    "MappedColours",
    "StateColours",
    "class_colours",
    "colour_map",
    "laid_flat",
    "map_colours",
    "paint",
    "state_palette",
]

Lattice = Literal["square", "hexagonal"]


def laid_flat(level: Tensor) -> Tensor:
    """Return a level as a picture has it, `(B, C, H, W)`: of three axes the middle slice."""
    while level.ndim > 4:
        level = level[:, :, level.shape[2] // 2]
    return level if level.ndim == 4 else level.unsqueeze(2)


@dataclass(frozen=True)
class ChannelColours:
    """Cells that show three of their channels as red, green and blue.

    Attributes:
        level: The level that is shown.
        channels: Red, green and blue.
        alpha: The channel that says how opaque a cell is, by which the colours are multiplied
            already; None: every cell is opaque.
        shift: Added to the colours.
    """

    level: str
    channels: tuple[int, int, int] = (0, 1, 2)
    alpha: int | None = None
    shift: float = 0.0


@dataclass(frozen=True)
class ClassColours:
    """Cells that show the class that they choose: the greatest of `weight x + bias`.

    Attributes:
        level: The level that is read.
        weight: `(K, C)`.
        bias: `(K)`.
        names: K words.
        colours: `(K, 3)`, from 0 to 1.
        voters: `all` cells, or `inked` ones: those with a pixel above `ink`, where one draws.
        ink: A share of white.
        silent: A class that no cell votes for, such as background.
    """

    level: str
    weight: Tensor
    bias: Tensor
    names: tuple[str, ...]
    colours: Tensor
    voters: Literal["all", "inked"] = "all"
    ink: float = 0.1
    silent: int | None = None


@dataclass(frozen=True)
class MappedColours:
    """Cells that show the number of one channel by a colour map.

    Attributes:
        level: The level that is shown.
        channel: Of which the number is.
        colour_map: One of `COLOUR_MAPS`.
        low: The number at the map's low end.
        high: The number at its high end.
    """

    level: str
    channel: int = 0
    colour_map: ColourMap = "viridis"
    low: float = 0.0
    high: float = 1.0

    def picture(self, state: State) -> Tensor:
        """Return what it shows of a state, `(B, 3, H, W)`, from 0 to 1."""
        values = laid_flat(state[self.level])[:, self.channel]
        return map_colours(values, colour_map(self.colour_map), self.low, self.high)


@dataclass(frozen=True)
class StateColours:
    """Cells that show which of a few states they are in, by a colour for each.

    Attributes:
        level: The level that is shown.
        channel: Which holds the number of the state.
        colours: `(S, 3)`, from 0 to 1; `state_palette` has some.
        names: S words.
    """

    level: str
    channel: int
    colours: Tensor
    names: tuple[str, ...]

    def picture(self, state: State) -> Tensor:
        """Return what it shows of a state, `(B, 3, H, W)`, from 0 to 1."""
        values = laid_flat(state[self.level])[:, self.channel].nan_to_num(0)
        return paint(values.clamp(0, len(self.colours) - 1).add(0.5).long(), self.colours)


Look = ChannelColours | ClassColours | MappedColours | StateColours
"""What a cell can look like."""


@dataclass(frozen=True)
class Canvas:
    """A level that a person draws on, in pixels from 0 (dark) to 1, grey or of three colours.

    A cell holds `patch ** 2` pixels for each colour, row by row, each `(pixel - mean) / deviation`,
    and all of them as often as the level has room for.

    Attributes:
        level: The level.
        patch: Pixels along each side of a cell.
        mean: Taken from every pixel.
        deviation: Divides every pixel.
        examples: `(N, K, H * patch, W * patch)`, from 0 to 1, to choose from; none if empty. K
            is 1, or 3 where one draws in colours; grey ones may do without that axis.
        words: One for each example.
    """

    level: str
    patch: int
    mean: float
    deviation: float
    examples: Tensor
    words: tuple[str, ...] = ()

    @property
    def colours(self) -> int:
        """How many numbers a pixel has: 1, or 3."""
        return self.examples.shape[1] if self.examples.ndim == 4 else 1


@dataclass(frozen=True)
class Display:
    """What is seen, drawn and begun with.

    Attributes:
        first: One sample, `(1, C, H, W)` on each level: where all begins, with nothing drawn.
        look: What a cell looks like; None: like the levels, in principal colours.
        drawing: The level to draw on, if there is one.
        hint: A sentence on what there is to do.
        lattice: How the cells of a grid of two axes lie: rows of squares, or, as in rules whose
            six neighbours are those of a square without its corners at (-1, 1) and (1, -1),
            hexagons, each row half a cell to the left of the one above it.
    """

    first: State
    look: Look | None = None
    drawing: Canvas | None = None
    hint: str = field(default="")
    lattice: Lattice = "square"
