"""Check of exchange: do the cells follow their input when it becomes another one?

Each sample gets the input and the truth of the next one, over what its cells hold. How far the
headline falls and comes back is measured as for damage.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nca.reports.robustness.check import Check
from nca.reports.robustness.damage import (
    LEAST,
    LEFT,
    WITHIN,
    all_healed,
    recovered,
    undisturbed,
)
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.tasks.batch import Batch
from nca.tasks.pool import swap_inputs

LATER = 4
"""Inputs are exchanged after the trained steps, and after so many times as many."""


@dataclass(frozen=True)
class InputExchange(Condition):
    """Another input after so many steps, or the same one."""

    at: int
    other: bool = True

    def __str__(self) -> str:
        """Return input and moment in words."""
        return f"{'another' if self.other else 'the same'} input, at step {self.at}"


def _follow(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    steps, automaton = model.plan.steps, model.trained.automaton
    for moment in seed_run.rollout(seed_run.batch.state, (steps, LATER * steps)):
        unharmed = undisturbed(model, seed_run, InputExchange(moment.step, other=False), moment)
        yield unharmed
        batch = Batch(moment.state, seed_run.batch.truth)
        swapped = swap_inputs(batch, batch.map(lambda tensor: tensor.roll(1, 0)), automaton)
        yield recovered(model, seed_run, InputExchange(moment.step), swapped, unharmed)


def _bars(model: ModelUnderTest) -> str:
    if not any(level.input for level in model.trained.automaton.layout.values()):
        return "no level holds an input"
    if model.batches[0].state.batch < 2:
        return "a sample gets the input of the next one, and there is one sample"
    return ""


EXCHANGE = Check(
    "exchange",
    "Does it follow another input?",
    "exchanges of the input",
    "Each sample gets input and truth of the next one, while its cells keep what they hold, and "
    f"the samples are followed for {WITHIN} times the trained steps beside the same samples with "
    "their own input. They have followed at the first look at which the headline differs from "
    f"theirs by at most {100 * LEFT:g} % of the harm done, or by {100 * LEAST:g} % of the "
    "headline, if that is more; it counts where they do under every random seed. Recovery is the "
    "share of what the exchange took that is back in the end: (end - right after) / (before - "
    "right after).",
    InputExchange,
    _follow,
    all_healed,
    _bars,
)
