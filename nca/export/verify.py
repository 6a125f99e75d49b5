"""Compare what an export computes with what torch computes.

An export takes the same steps as torch: single ones from states that torch came by, and many in a
row, with all cells firing and firing as the recipe says. A difference is measured against how much
a step changes the channel it stands in, so that a wrong step cannot hide behind great numbers, nor
behind a state in which nothing happens.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import ExportError

TOLERANCE = 1e-3
"""The share of a step's change that a difference may be."""
ROUNDING = 1e-5
"""The share of a level's greatest number that rounding of float32 may be off by in one step."""
GREAT = 1e6
"""Numbers this many times as great as those at the beginning have grown without bounds."""


@dataclass(frozen=True)
class Difference:
    """How far an export strays from torch.

    Attributes:
        greatest: The greatest difference of any number in any level, over all trials.
        synchronous: The greatest with all cells firing.
        asynchronous: The greatest with cells firing by chance, the same in both.
        steps: How many steps the longest trial took.
        scale: The greatest number in torch's states at the end, for comparison.
        engine: What the export ran in.
        change: The most that a number changes in a step of torch.
        notes: What else is to be known of the comparison, a sentence without a full stop each.
    """

    greatest: float
    synchronous: float
    asynchronous: float
    steps: int
    scale: float
    engine: str
    change: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {**asdict(self), "notes": list(self.notes)}

    def __str__(self) -> str:
        """Return the figures as a line."""
        greatest = f"{self.greatest:.1e}" if self.greatest else "0"
        steps = f"{self.steps} step{'s' if self.steps != 1 else ''}"
        figures = (
            f"{greatest} is the greatest difference from torch after {steps}, where numbers reach "
            f"{self.scale:.2g} and change by up to {self.change:.2g} a step ({self.engine})"
        )
        return "; ".join((figures, *self.notes))


@dataclass(frozen=True)
class NotCompared:
    """Why an export could not be compared.

    Attributes:
        why: A sentence without its full stop.
    """

    why: str

    def to_json(self) -> dict[str, Any]:
        """Return the reason for JSON."""
        return {"compared": False, "why": self.why}

    def __str__(self) -> str:
        """Return the reason as a line."""
        return f"not compared with torch: {self.why}"


@dataclass(frozen=True)
class Trial:
    """Steps that torch has taken, for an export to take again.

    Attributes:
        kind: `synchronous` or `asynchronous`.
        begun: The state before.
        rate: The chance that a cell fires.
        steps: How many.
        expected: The state after.
        changes: The most that a step changed each channel of each level, `(C)`.
    """

    kind: str
    begun: State
    rate: float
    steps: int
    expected: State
    changes: Mapping[str, Tensor]


@dataclass(frozen=True)
class Walk:
    """Steps of torch, of which some states were kept.

    Attributes:
        length: Steps for which numbers are finite, and not far beyond the first ones.
        kept: States by the number of steps that led to them.
        changes: The most that a step changed each channel of each level, `(C)`.
        lost: The first state that is not finite, or far beyond, if there was one.
    """

    length: int
    kept: dict[int, State]
    changes: dict[str, Tensor]
    lost: State | None


def walk(
    automaton: Automaton,
    begun: State,
    steps: int,
    keep: Collection[int],
    fire_rate: float | None = None,
) -> Walk:
    """Let steps pass as long as their numbers stay within bounds, and keep some states.

    Args:
        automaton: On the CPU.
        begun: Where all begins.
        steps: The most there shall be.
        keep: Which states, by the number of steps that led to them.
        fire_rate: Instead of the automaton's own.
    """
    most = GREAT * max(scale_of(begun), 1.0)
    kept = {0: begun} if 0 in keep else {}
    changes = {name: torch.zeros(level.shape[1]) for name, level in begun.items()}
    now = begun
    for number in range(1, steps + 1):
        after = automaton.step(now, fire_rate=fire_rate)
        if not scale_of(after) <= most:
            return Walk(number - 1, kept, changes, after)
        changes = {n: torch.maximum(changes[n], c) for n, c in _changes(now, after).items()}
        now = after
        if number in keep:
            kept[number] = now
    return Walk(steps, kept, changes, None)


@torch.no_grad()
def trials(automaton: Automaton, begun: State, steps: int) -> list[Trial]:
    """Return steps to take again: many in a row, and single ones on their way.

    Args:
        automaton: On the CPU.
        begun: Where all begins; a step from it stays within bounds.
        steps: The most in a row; fewer where numbers grow without bounds.
    """
    found = []
    for kind, rate in (("synchronous", 1.0), ("asynchronous", automaton.fire_rate)):
        count = walk(automaton, begun, steps, (), rate).length
        singles = sorted({0, count // 2, count - 1}) if count > 1 else []
        keep = {count, *singles, *(at + 1 for at in singles)}
        way = walk(automaton, begun, count, keep, rate)
        found.append(Trial(kind, begun, rate, count, way.kept.get(count, begun), way.changes))
        for at in singles:
            before, after = way.kept.get(at, begun), way.kept[at + 1]
            found.append(Trial(kind, before, rate, 1, after, _changes(before, after)))
    return found


def scale_of(state: State) -> float:
    """Return the greatest number of a state; NaN if one of its numbers is none."""
    return torch.stack([level.abs().max().float() for level in state.values()]).max().item()


def _changes(before: State, after: State) -> dict[str, Tensor]:
    return {name: _by_channel(after[name] - level) for name, level in before.items()}


def _by_channel(level: Tensor) -> Tensor:
    return level.abs().transpose(0, 1).flatten(1).amax(dim=1)


def compare(
    tried: Sequence[Trial],
    found: Sequence[Mapping[str, Tensor]],
    engine: str,
    notes: tuple[str, ...] = (),
) -> Difference:
    """Return how far what was found is from what torch says.

    Args:
        tried: What torch did.
        found: What the export has for the end of each trial.
        engine: What the export ran in.
        notes: Of the difference.

    Raises:
        ExportError: Numbers that are not finite, or a difference that rounding does not explain.
    """
    far = {"synchronous": 0.0, "asynchronous": 0.0}
    for trial, levels in zip(tried, found, strict=True):
        away = _away(trial, levels, engine)
        far[trial.kind] = max(far[trial.kind], away)
    return Difference(
        max(far.values()),
        far["synchronous"],
        far["asynchronous"],
        max(trial.steps for trial in tried),
        max(scale_of(trial.expected) for trial in tried),
        engine,
        max(change.max().item() for trial in tried for change in trial.changes.values()),
        notes,
    )


def _away(trial: Trial, found: Mapping[str, Tensor], engine: str) -> float:
    """Return the greatest difference of a trial, if rounding explains all of them."""
    greatest = 0.0
    for name, level in trial.expected.items():
        away = _by_channel(found[name].view(level.shape) - level)
        change = trial.changes[name]
        slip = ROUNDING * max(level.abs().max().item(), trial.begun[name].abs().max().item())
        far = ~(away <= trial.steps * (TOLERANCE * change + slip))  # what is no number is far too
        if far.any():
            channel = int((away / (change + slip)).nan_to_num(torch.inf).argmax())
            raise _astray(trial, name, channel, away[channel].item(), engine)
        greatest = max(greatest, away.max().item())
    return greatest


def _astray(trial: Trial, name: str, channel: int, away: float, engine: str) -> ExportError:
    size = "x".join(map(str, trial.begun.size(name)))
    steps = f"{trial.steps} step{'s' if trial.steps != 1 else ''}"
    return ExportError(
        f"the export strays from torch by {away:.2g} in {steps} ({trial.kind}), where a step "
        f"changes numbers by up to {trial.changes[name][channel].item():.2g}.",
        where=f'{engine}; channel {channel} of level "{name}", on a grid of {size}',
        to_do="nothing was written; this is a fault of nca or of the engine, unless a rule "
        "depends on the step, on the size of the grid or on a random number of its own: please "
        "report it with the checkpoint",
    )
