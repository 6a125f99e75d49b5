"""Evaluation of an automaton: its metrics at several steps, and after a disturbance.

Nothing here is trained, and the test set is touched nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

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
        for batch in task.evaluation_batches(split, table.batch):
            if samples and done >= samples:
                break
            if samples:
                batch = batch.select(slice(0, samples - done))
            done += batch.state.batch
            batch = rollouts.measure(batch, {moment: sums[moment, ""] for moment in moments})
            if after:
                batch = _disturbed(automaton, batch, after)
                rollouts.measure(batch, {moment: sums[moment, after] for moment in moments})
            progress.advance(done)
    finally:
        automaton.train(training)
        task.train(training)
    shift = moments[-1] if moments else 0
    return [
        Measurement(
            moment + (shift if how else 0), how, total.samples, _shares(total, steps == "settle")
        )
        for (moment, how), total in sums.items()
    ]


@dataclass(frozen=True)
class _Rollouts:
    """Rollouts of batches through all moments at which they are measured."""

    automaton: Automaton
    task: Task
    steps: tuple[int, ...]
    table: Evaluate
    fire_rate: float | None

    def measure(self, batch: Batch, sums: Mapping[int, _Sum]) -> Batch:
        """Add what is measured at each moment to its sum; return the last states."""
        state = batch.state
        for moment, state, beside in self._stops(batch.state):
            total = sums[moment]
            total.samples += state.batch
            shares = self.task.measure(self.automaton.finish(state), batch)
            lost = has_diverged(state, self.automaton.writable_levels)
            for name, share in {**shares, DIVERGED: Share.of(lost), **beside}.items():
                total.part[name] = total.part.get(name, 0.0) + share.part.sum().item()
                total.whole[name] = total.whole.get(name, 0.0) + share.whole.sum().item()
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


def _disturbed(automaton: Automaton, batch: Batch, how: str) -> Batch:
    state = batch.state
    if how == "damage":
        source = CellRNG(state.random_seed, state.step, state.samples)
        return Batch(damage.disc(state, source, automaton.writable_levels), batch.truth)
    # every sample gets the input and truth of the next one in its batch
    return swap_inputs(batch, batch.map(lambda tensor: tensor.roll(1, 0)), automaton)


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
