"""The conditions of a rollout: which cells live, what noise there is, what is remembered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from nca.engine.layout import Level
from nca.engine.state import State
from nca.types import Name, Natural, NonNegative, Radius, Steps
from nca.validation.checked import Options
from nca.validation.faults import Fault, choose_among, toml_value


@dataclass(frozen=True)
class Alive(Options):
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
    radius: Radius = 1
    dead: Literal["cleared", "frozen"] = "cleared"

    def misfits(self, levels: Mapping[str, Level]) -> Iterator[Fault]:
        """Yield what is wrong if these are the levels: no such level, or no such channel."""
        if self.level not in levels:
            to_do = choose_among(self.level, list(levels))
            yield Fault(("level",), f"no level {toml_value(self.level)}", to_do)
        elif self.channel >= levels[self.level].channels:
            to_do = f'"{self.level}" has channels 0 to {levels[self.level].channels - 1}'
            yield Fault(("channel",), f"is {self.channel}", to_do)


@dataclass(frozen=True)
class Noise(Options):
    """Randomness added to the change of every level but the input.

    Attributes:
        scale: Standard deviation of normal noise; upper bound of uniform noise, which starts at 0.
        kind: Which of the two.
        when: Always, or in training only.
    """

    scale: NonNegative
    kind: Literal["normal", "uniform"] = "normal"
    when: Literal["always", "training"] = "always"


@dataclass(frozen=True)
class Skip(Options):
    """A state remembered and added back on a schedule: a skip connection through time.

    Attributes:
        every: Steps between additions; the first is after the first step.
        weight: Share of the remembered state that is added.
        levels: The levels that take part; all but the input if none are named.
        keep_gain: Whether to divide by `1 + weight`, so that the state keeps its scale.
        at_end: Whether `Automaton.finish` adds the remembered state once more.
    """

    every: Steps
    weight: float
    levels: tuple[Name, ...] = ()
    keep_gain: bool = True
    at_end: bool = False

    def conflicts(self) -> Iterator[Fault]:
        """Yield the fault of a weight that divides by zero."""
        if self.keep_gain and self.weight == -1:
            to_do = "the sum is divided by 1 + weight: another weight, or keep_gain = false"
            yield Fault(("weight",), f"is {self.weight:g}", to_do)

    def misfits(self, levels: Mapping[str, Level]) -> Iterator[Fault]:
        """Yield what is wrong if these are the levels: a missing level, or one of the input."""
        writable = [name for name, level in levels.items() if not level.input]
        for name in self.levels:
            if name not in writable:
                yield Fault(("levels",), f"names {toml_value(name)}", choose_among(name, writable))

    def add(self, level: Tensor, old: Tensor) -> Tensor:
        """Return the level with the remembered one added."""
        summed = level + self.weight * old
        return summed / (1 + self.weight) if self.keep_gain else summed


def remember(skips: Sequence[Skip], written: Sequence[str], before: State, after: State) -> State:
    """Return a new state with what skips add to it, and with what they remember of it.

    Args:
        skips: In the order in which they are added.
        written: The levels that a skip which names none adds to.
        before: The state before the step.
        after: The state after the step.
    """
    if not skips:
        return after
    memories = list(before.remembered)
    if not memories:
        memories = [{name: before[name] for name in skip.levels or written} for skip in skips]
    for number, skip in enumerate(skips):
        if before.step % skip.every == 0:
            old = memories[number]
            kept = {name: skip.add(after[name], old[name]) for name in old}
            after = after.replace(kept)
            memories[number] = kept
    return after.replace(remembered=tuple(memories))
