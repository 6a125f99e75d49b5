"""The surroundings of a rule: its level among the levels, and the grid that they share."""

from dataclasses import dataclass, replace

from nca.engine.layout import Layout, Level
from nca.engine.topology import TORUS, Topology
from nca.errors import ShapeError


@dataclass(frozen=True)
class RuleContext:
    """The surroundings of a rule: its level among the levels, in a grid of so many axes.

    A rule that needs to know takes it as its first argument. Levels are as the rule sees them: in
    the grid of its own level, where a finer one that is read as a stack has more channels.

    Attributes:
        layout: All levels, bottom level first.
        name: The level that the rule belongs to.
        axes: Axes of the grid: 1, 2 or 3.
        topology: What lies beyond the edge of the grid.
        coordinates: Whether cells may know where in the grid they are.
    """

    layout: Layout
    name: str
    axes: int = 2
    topology: Topology = TORUS
    coordinates: bool = False

    @property
    def own(self) -> Level:
        """The rule's own level."""
        return self.layout[self.name]

    @property
    def below(self) -> Level:
        """The level below.

        Raises:
            ShapeError: The rule's level is the bottom level.
        """
        return self.level("below")

    @property
    def above(self) -> Level:
        """The level above.

        Raises:
            ShapeError: The rule's level is the top level.
        """
        return self.level("above")

    def level(self, name: str) -> Level:
        """Return any level, by name, or `own`, `below`, `above`.

        Raises:
            ShapeError: There is no such level.
        """
        return self._seen(self.layout[self.name_of(name)])

    def name_of(self, name: str) -> str:
        """Return what a level is called that rules call `own`, `below`, `above`, or by name.

        Raises:
            ShapeError: There is no such level.
        """
        match name:
            case "own":
                return self.name
            case "below":
                return self._beside(-1, "below", "bottom")
            case "above":
                return self._beside(1, "above", "top")
            case _:
                return self.layout[name].name

    def beside(self, offset: int) -> Level | None:
        """Return the level `offset` places above (negative: below) the rule's own, or None."""
        level = self.layout.beside(self.name, offset)
        return None if level is None else self._seen(level)

    def _seen(self, level: Level) -> Level:
        channels = self.own.resampling.channels(level.channels, level.scale, self.axes)
        return level if channels == level.channels else replace(level, channels=channels)

    def _beside(self, offset: int, word: str, end: str) -> str:
        level = self.layout.beside(self.name, offset)
        if level is None:
            raise ShapeError(
                f'there is no level {word} "{self.name}", but a rule of it reads one.',
                where=f'"{self.name}" is the {end} level of {", ".join(self.layout)}',
                to_do=f'move the rule to another level, or add a level {word} "{self.name}"',
            )
        return level.name
