"""The conditions of a rollout: which cells live, what noise there is, what is remembered."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from nca.types import Count, Name, Natural, NonNegative

STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class Alive:
    """Which cells live: those near a cell whose channel exceeds a number.

    Attributes:
        level: The level that tells life.
        channel: The channel that tells life.
        above: A cell is mature where the channel is strictly greater.
        radius: Cells this near to a mature one live; 0: mature cells only.
        dead: `cleared`: what is not alive before and after a step becomes zero on every level
            but the input (Mordvintsev et al. 2020). `frozen`: the dead keep what they hold and
            never change (Randazzo et al. 2020).
    """

    level: Name
    channel: Natural
    above: float
    radius: Natural = 1
    dead: Literal["cleared", "frozen"] = "cleared"

    __pydantic_config__: ClassVar = STRICT


@dataclass(frozen=True)
class Noise:
    """Randomness added to the change of every level but the input.

    Attributes:
        scale: Standard deviation of normal noise; upper bound of uniform noise, which starts at 0.
        kind: Which of the two.
        when: Always, or in training only.
    """

    scale: NonNegative
    kind: Literal["normal", "uniform"] = "normal"
    when: Literal["always", "training"] = "always"

    __pydantic_config__: ClassVar = STRICT


@dataclass(frozen=True)
class Skip:
    """A state remembered and added back on a schedule: a skip connection through time.

    Attributes:
        every: Steps between additions; the first is after the first step.
        weight: Share of the remembered state that is added.
        levels: The levels that take part; all but the input if none are named.
        keep_gain: Whether to divide by `1 + weight`, so that the state keeps its scale.
        at_end: Whether `Automaton.finish` adds the remembered state once more.
    """

    every: Count
    weight: float
    levels: tuple[Name, ...] = ()
    keep_gain: bool = True
    at_end: bool = False

    __pydantic_config__: ClassVar = STRICT

    def add(self, level: Tensor, old: Tensor) -> Tensor:
        """Return the level with the remembered one added."""
        summed = level + self.weight * old
        return summed / (1 + self.weight) if self.keep_gain else summed
