"""Levels of another resolution, as a page reads them: each reading is a texture of its own.

What rules compute names a level or a reading by one number, levels first; a page draws all readings
before a step (`webgl/readings.js`), so that no shader of a rule knows of scales.
"""

from dataclasses import asdict, dataclass

from nca.engine.context import RuleContext
from nca.engine.layout import Layout
from nca.engine.resample import Coarsen, Refine


@dataclass(frozen=True)
class ResampledLevel:
    """A level in the grid of another scale.

    Attributes:
        level: The number of the level.
        way: How it is read.
        factor: Cells of the finer of the two for one of the coarser, along each axis.
        scale: Of the grid that it is read in.
        channels: How many it has there.
    """

    level: int
    way: Coarsen | Refine
    factor: int
    scale: int
    channels: int


class ResampledLevels:
    """All levels of an automaton that rules read in another resolution, each once.

    Args:
        layout: Its levels.
    """

    def __init__(self, layout: Layout) -> None:
        self.names = list(layout)
        self._found: list[ResampledLevel] = []

    def place(self, context: RuleContext, name: str) -> int:
        """Return the number of a level as rules read it, of the levels or beyond them.

        Args:
            context: Where the rule stands.
            name: What it calls the level.
        """
        level, resampling = context.level(name), context.own.resampling
        number, way = self.names.index(level.name), resampling.way(level.scale)
        if way is None:
            return number
        factor = resampling.factor(level.scale)
        reading = ResampledLevel(number, way, factor, resampling.scale, level.channels)
        if reading not in self._found:
            self._found.append(reading)
        return len(self.names) + self._found.index(reading)

    def to_json(self) -> list[dict]:
        """Return them in order, for JSON."""
        return [asdict(reading) for reading in self._found]
