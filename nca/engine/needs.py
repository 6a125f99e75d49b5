"""Needs of a rule: the channels, axes and states without which it computes nothing sensible.

A rule class declares them; they are checked when a recipe is read, with the line of the key, and
when the rule is built in Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Len
from torch import Tensor

from nca.engine.context import RuleContext
from nca.engine.state import State
from nca.types import Channels
from nca.validation.checked import Options
from nca.validation.faults import Fault

Held: TypeAlias = Literal["any", "unit", "binary", "whole"]
"""What the channels of a cell hold: any numbers, numbers from 0 to 1, 0 and 1 alone, or whole
numbers from 0, of which 0 to 7 are drawn."""

BESIDE = {"below": -1, "above": 1}
"""How far up the levels beside a rule's own one stand."""


@dataclass(frozen=True)
class Needs(Options):
    """What a rule needs of its surroundings; which levels it needs, its `reads` say.

    Attributes:
        channels: Exactly so many channels of its level; None: any number.
        least_channels: At least so many.
        below: At least so many channels of the level below, where the rule reads it.
        above: At least so many of the level above, likewise.
        axes: The numbers of axes of a grid on which it works.
        states: What its level holds when something is to happen: `any` numbers, numbers from 0 to
            1 (`unit`), cells that are on or off (`binary`), or counts (`whole`). An example of it,
            drawn where no task says how a state begins, is then alive.
        mean: Of the numbers of a `unit` level when something is to happen: they are drawn from 0
            to twice as much.
        alone: Whether it must be the only rule of its level.
    """

    channels: Channels | None = None
    least_channels: Channels = 1
    below: Channels = 1
    above: Channels = 1
    axes: Annotated[tuple[Annotated[int, Ge(1), Le(3)], ...], Len(1, 3)] = (1, 2, 3)
    states: Held = "any"
    mean: Annotated[float, Gt(0), Le(0.5)] = 0.5
    alone: bool = False

    def conflicts(self) -> Iterator[Fault]:
        """Yield the fault of an exact number below the least."""
        if self.channels is not None and self.channels < self.least_channels:
            yield Fault(("channels",), f"is {self.channels}", f"at least {self.least_channels}")

    def wrong_channels(self, channels: int) -> str:
        """Return what number of channels would do, in words; nothing if this one does."""
        if self.channels is not None and channels != self.channels:
            return f"exactly {self.channels}"
        return f"at least {self.least_channels}" if channels < self.least_channels else ""

    def wrong_axes(self, axes: int) -> str:
        """Return what number of axes would do, in words; nothing if this one does."""
        return "" if axes in self.axes else " or ".join(map(str, self.axes))

    def too_few_beside(self, where: str, channels: int) -> str:
        """Return how many channels of a level beside would do, in words; nothing if these do.

        Args:
            where: `below` or `above`.
            channels: How many that level has.
        """
        least = {"below": self.below, "above": self.above}[where]
        return f"at least {least}" if channels < least else ""

    def misfits(self, context: RuleContext) -> Iterator[Fault]:
        """Yield what is wrong with surroundings."""
        channels = context.own.channels
        if needed := self.wrong_channels(channels):
            yield Fault(("channels",), f"is {channels}", f"the rule needs {needed}")
        for where, offset in BESIDE.items():
            level = context.beside(offset)
            if level and (needed := self.too_few_beside(where, level.channels)):
                words = f'of the level {where}, "{level.name}", is {level.channels}'
                yield Fault(("channels",), words, f"the rule needs {needed}")
        if needed := self.wrong_axes(context.axes):
            yield Fault(("axes",), f"is {context.axes}", f"the rule needs {needed}")


def draw_level(state: State, name: str, needs: Needs = Needs(), stream: str = "example") -> Tensor:
    """Return numbers for a level such as a rule needs them, drawn from the state's randomness.

    Args:
        state: Its random seed, step and sample numbers say which numbers are drawn.
        name: The level.
        needs: Of what stands there: normal numbers, uniform ones, four cells of ten on, or whole
            numbers from 0 to 7.
        stream: A name; each has other numbers.
    """
    channels, size, rng = state[name].shape[1], state.size(name), state.rng_of(name)
    match needs.states:
        case "binary":
            drawn = rng.chance(f"{stream}/{name}", 0.4, channels, size)
        case "unit":
            drawn = 2 * needs.mean * rng.uniform(f"{stream}/{name}", channels, size)
        case "whole":
            drawn = (rng.uniform(f"{stream}/{name}", channels, size) * 8).floor()
        case "any":
            drawn = rng.normal(f"{stream}/{name}", channels, size)
    return drawn.to(state[name].dtype)
