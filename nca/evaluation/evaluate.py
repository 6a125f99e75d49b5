"""Evaluation of an automaton: its metrics at several steps, and after a disturbance.

Nothing here is trained, and the test set is touched nowhere else. Of several processes each steps
and measures its own samples of every batch, and what they have measured is added up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Self

import torch
from torch import Tensor

from nca.distributed.shares import ALONE, SampleShares
from nca.engine.automaton import Automaton
from nca.engine.rng import CellRNG
from nca.engine.rollouts import has_diverged, settle
from nca.engine.state import State
from nca.progress import SILENT, Progress
from nca.recipe.tables import Evaluate
from nca.tasks import damage
from nca.tasks.batch import Batch
from nca.tasks.metrics import Share
from nca.tasks.pool import swap_inputs
from nca.tasks.task import Task
from nca.types import Split

DIVERGED = "diverged"
"""The metric that every task has: the share of samples with a number that is not finite."""


@dataclass
class Measurement:
    """What was measured at one moment.

    Attributes:
        steps: How many steps the states had taken; where they settled, the most that any took.
        after: The disturbance that lies behind them, or nothing.
        samples: Over how many samples.
        metrics: The values, by name.
    """

    steps: int
    after: str
    samples: int
    metrics: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the row flat, for JSON."""
        return {"steps": self.steps, "after": self.after, "samples": self.samples, **self.metrics}


@dataclass
class _Sum:
    samples: int = 0
    part: dict[str, float] = field(default_factory=dict)
    whole: dict[str, float] = field(default_factory=dict)

    def add(self, samples: int, shares: Mapping[str, Share]) -> None:
        """Add what was measured of so many samples."""
        self.samples += samples
        for name, share in shares.items():
            self.part[name] = self.part.get(name, 0.0) + share.part.sum().item()
            self.whole[name] = self.whole.get(name, 0.0) + share.whole.sum().item()

    def total(self, shares: SampleShares) -> "_Sum":
        """Return the sum over all processes; every one has the same names."""
        numbers = [self.samples, *self.part.values(), *self.whole.values()]
        total = shares.total(torch.tensor(numbers, dtype=torch.float64, device="cpu")).tolist()
        part = dict(zip(self.part, total[1:], strict=False))
        whole = dict(zip(self.whole, total[1 + len(part) :], strict=True))
        return _Sum(round(total[0]), part, whole)


@torch.no_grad()
def evaluate(
    automaton: Automaton,
    task: Task,
    *,
    split: Split,
    steps: Sequence[int] | Literal["settle"],
    table: Evaluate,
    samples: int = 0,
    disturb: bool = True,
    fire_rate: float | None = None,
    progress: Progress = SILENT,
    shares: SampleShares = ALONE,
) -> list[Measurement]:
    """Measure at every one of `steps`, over all batches of a split.

    Args:
        automaton: Is put into evaluation mode and left in the mode it was in.
        task: Makes the batches and measures.
        split: Held-out training data to choose by, or test data to report on.
        steps: Moments to measure at, rising; or `settle`: where each sample comes to rest.
        table: Batch size, disturbance, and what it means to be at rest.
        samples: Stop after so many samples; 0: the whole split.
        disturb: Whether to disturb at all.
        fire_rate: Use this chance instead of the automaton's own.
        progress: Where it is reported how many samples are done.
        shares: Which samples this process measures, if there are others; all get the same rows.

    Returns:
        One row per moment; after the disturbance the same moments again. A row of settling also
        has the share of samples that came to rest, the share of those that diverged, and the
        mean number of steps that all took. Other rows have the share that diverged if any did.
    """
    moments = (table.at_most,) if steps == "settle" else tuple(steps)
    rollouts = _Rollouts(automaton, task, () if steps == "settle" else moments, table, fire_rate)
    training = automaton.training
    automaton.eval()
    task.eval()
    after = table.disturb if disturb and table.disturb != "nothing" else ""
    sums = {(moment, how): _Sum() for how in ("", after) for moment in moments}
    done = 0
    progress.begin(split, samples or None, unit="samples")
    try:
        for size, own in _owned(task, split, table.batch, samples, shares, after == "swap"):
            done += size
            batch = rollouts.measure(own, {moment: sums[moment, ""] for moment in moments})
            if after:
                own = replace(own, batch=_disturbed(automaton, batch, own.others))
                rollouts.measure(own, {moment: sums[moment, after] for moment in moments})
            progress.advance(done)
    finally:
        automaton.train(training)
        task.train(training)
    shift = moments[-1] if moments else 0
    totals = {key: each.total(shares) for key, each in sums.items()}
    return [
        Measurement(
            moment + (shift if how else 0), how, total.samples, _shares(total, steps == "settle")
        )
        for (moment, how), total in totals.items()
    ]


@dataclass(frozen=True)
class _Own:
    """The samples of a batch that one process measures.

    Attributes:
        batch: They: those of the whole batch where it has fewer samples than there are processes.
        counts: Whether they are counted: of processes that measure the same, one counts.
        others: Whose input and truth each gets when inputs are exchanged; None: they are not.
    """

    batch: Batch
    counts: bool
    others: Batch | None

    @classmethod
    def of(cls, batch: Batch, shares: SampleShares, *, inputs: bool) -> Self:
        """Return the share of a process in a batch that it has drawn."""
        own, counts = _stretch(batch.state.batch, shares)
        # every sample gets the input and truth of the one before it
        others = batch.map(lambda tensor: tensor.roll(1, 0)) if inputs else None
        return cls(batch.select(own), counts, others and others.select(own))

    @classmethod
    def drawn(
        cls,
        take: Callable[[Tensor], Batch],
        first: int,
        size: int,
        shares: SampleShares,
        *,
        inputs: bool,
    ) -> Self:
        """Return the same of a batch of which only the share is drawn.

        Args:
            take: Returns samples by their numbers.
            first: The number of the first sample of the batch.
            size: How many it has.
            shares: Which of them this process has.
            inputs: Whether inputs are exchanged.
        """
        if shares.count == 1:  # others are among those that are drawn
            return cls.of(
                take(torch.arange(first, first + size, device="cpu")), shares, inputs=inputs
            )
        own, counts = _stretch(size, shares)
        places = torch.arange(size, device="cpu")[own]
        others = take(first + (places - 1) % size) if inputs else None
        return cls(take(first + places), counts, others)


def _stretch(size: int, shares: SampleShares) -> tuple[slice, bool]:
    """Return which samples of a batch a process measures, and whether they are counted."""
    divided = size >= shares.count
    return shares.own(size) if divided else slice(0, size), divided or shares.rank == 0


def _owned(
    task: Task, split: Split, batch: int, samples: int, shares: SampleShares, inputs: bool
) -> Iterator[tuple[int, _Own]]:
    """Yield the size of each batch of a split, and this process's share of it.

    Of a task that makes any of its samples the share alone is drawn.
    """
    makes_any = getattr(task.evaluation_batches, "__func__", None) is Task.evaluation_batches
    count = task.evaluation_count(split) if makes_any else None
    if count is not None:
        count = min(count, samples or count)
        take = partial(task.evaluation_batch, split)
        for first in range(0, count, batch):
            size = min(batch, count - first)
            yield size, _Own.drawn(take, first, size, shares, inputs=inputs)
        return
    left = samples
    for each in task.evaluation_batches(split, batch):
        part = each.select(slice(0, left)) if samples else each
        yield part.state.batch, _Own.of(part, shares, inputs=inputs)
        left -= part.state.batch
        if samples and left <= 0:
            return


@dataclass(frozen=True)
class _Rollouts:
    """Rollouts of batches through all moments at which they are measured."""

    automaton: Automaton
    task: Task
    steps: tuple[int, ...]
    table: Evaluate
    fire_rate: float | None

    def measure(self, own: _Own, sums: Mapping[int, _Sum]) -> Batch:
        """Add what is measured at each moment to its sum; return the last states."""
        batch, state = own.batch, own.batch.state
        for moment, state, beside in self._stops(batch.state):
            shares = self.task.measure(self.automaton.finish(state), batch)
            lost = has_diverged(state, self.automaton.writable_levels)
            found = {**shares, DIVERGED: Share.of(lost), **beside}
            if not own.counts:
                found = {name: Share(s.part[:0], s.whole[:0]) for name, s in found.items()}
            sums[moment].add(state.batch if own.counts else 0, found)
        return Batch(state, batch.truth)

    def _stops(self, state: State) -> Iterator[tuple[int, State, dict[str, Share]]]:
        """Yield each moment with its states, and further measurements of them."""
        taken = 0
        for moment in self.steps:
            state = self.automaton.rollout(state, moment - taken, fire_rate=self.fire_rate)
            taken = moment
            yield moment, state, {}
        if not self.steps:
            bound = self.table.at_most
            settled = settle(
                self.automaton,
                state,
                tolerance=self.table.tolerance,
                at_most=bound,
                fire_rate=self.fire_rate,
            )
            ended = {
                "settled": Share.of(settled.converged),
                DIVERGED: Share.of(settled.diverged),
                "steps taken": Share.of(settled.steps),
            }
            yield bound, settled.state, ended


def _disturbed(automaton: Automaton, batch: Batch, others: Batch | None) -> Batch:
    """Return the batch with other inputs and their truth, or else with a part of its cells cut."""
    if others is not None:
        return swap_inputs(batch, others, automaton)
    state = batch.state
    source = CellRNG(state.random_seed, state.step, state.samples)
    return Batch(damage.disc(state, source, automaton.writable_levels), batch.truth)


def _shares(total: _Sum, settled: bool) -> dict[str, float]:
    shares = {name: total.part[name] / max(total.whole[name], 1e-12) for name in total.part}
    if not settled and not shares.get(DIVERGED):
        shares.pop(DIVERGED, None)
    return shares


def divergence_note(rows: Sequence[Measurement]) -> str:
    """Return a sentence on the first measurement with samples that diverged; none if none has."""
    before = ""
    for row in rows:
        if share := row.metrics.get(DIVERGED):
            return (
                f"the automaton diverges: numbers of {100 * share:.3g} % of the samples are not "
                f"finite at step {row.steps}{before}; means over them are null"
            )
        before = f", while all are at step {row.steps}"
    return ""
