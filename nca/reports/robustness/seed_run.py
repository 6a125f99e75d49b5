"""The samples of one random seed, and their rollout from moment to moment.

Legend: B batch, C channel.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.pulse import Pulse
from nca.reports.robustness.result import CheckResult, Condition
from nca.tasks.batch import Batch
from nca.tasks.task import Task

STRIDE = 64
"""Steps between two looks at whether a sample has exploded; the step itself is found exactly."""

PIECE = 8
"""Steps between two beats of the pulse."""

EXPLODED = 1000.0
"""A sample has exploded once a number is not finite, or so many times as large as the largest one
of the sample that is smallest after the trained steps (1 at least, and at most as many)."""


@dataclass(frozen=True)
class RolloutMoment:
    """Samples at one moment.

    Attributes:
        step: How many steps the rollout has taken.
        state: The samples.
        exploded_at: The step at which each sample exploded, int64 `(B,)`; 0: it has not.
    """

    step: int
    state: State
    exploded_at: Tensor

    @property
    def exploded(self) -> float:
        """The share of samples that have exploded."""
        return (self.exploded_at > 0).double().mean().item()

    @property
    def first(self) -> int | None:
        """The first step at which a sample exploded."""
        steps = self.exploded_at[self.exploded_at > 0]
        return int(steps.min()) if len(steps) else None


@dataclass(frozen=True)
class SeedRun:
    """The samples of one random seed.

    Attributes:
        model: Whose.
        number: Which of the random seeds, from 0.
        pulse: Asked every few steps.
    """

    model: ModelUnderTest
    number: int
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def random_seed(self) -> int:
        """From which all chance follows."""
        return self.model.random_seeds[self.number]

    @cached_property
    def batch(self) -> Batch:
        """First states with their truth."""
        return self.begun(self.model.batches[self.number])

    @cached_property
    def clean(self) -> RolloutMoment:
        """The samples after the trained steps, with nothing changed."""
        (moment,) = self.rollout(self.batch.state, [self.model.plan.steps], bound=math.inf)
        return moment

    @cached_property
    def clean_headline(self) -> float:
        """The headline after the trained steps, with nothing changed."""
        return self.measure(self.clean.state)[self.model.headline]

    @cached_property
    def bound(self) -> float:
        """How large a number may become before its sample counts as exploded."""
        largest = _largest(self.clean.state, self.model.trained.automaton.writable_levels)
        return EXPLODED * largest.clamp(1.0, EXPLODED).min().item()

    def begun(self, batch: Batch) -> Batch:
        """Return first states whose chance follows from this random seed."""
        state = batch.state
        return Batch(state.restart(self.random_seed, state.samples), batch.truth)

    def rollout(
        self,
        state: State,
        moments: Iterable[int],
        *,
        automaton: Automaton | None = None,
        fire_rate: float | None = None,
        before: Callable[[State], State] | None = None,
        bound: float | None = None,
    ) -> Iterator[RolloutMoment]:
        """Yield the samples at each moment.

        Args:
            state: Where the rollout begins.
            moments: Steps from there, rising; a moment at 0 is where it begins.
            automaton: Instead of the trained one.
            fire_rate: Instead of the automaton's own.
            before: What happens to the state before every step.
            bound: How large a number may become; that of the random seed bound if None.

        Raises:
            TimeUpError: The time of the check is up.
        """
        trained = self.model.trained
        automaton = automaton or trained.automaton
        bound = self.bound if bound is None else bound
        exploded_at = torch.zeros_like(state.samples)
        taken = 0

        def advance(state: State, steps: int) -> State:
            piece = PIECE if before is None else 1
            with trained.recipe.autocast(trained.device):
                for first in range(0, steps, piece):
                    self.pulse.beat()
                    count = min(piece, steps - first)
                    if before is None:
                        state = automaton.rollout(state, count, fire_rate=fire_rate)
                    else:
                        state = automaton.step(before(state), fire_rate=fire_rate)
                return state

        for moment in moments:
            while taken < moment:
                stride = min(STRIDE, moment - taken)
                after = advance(state, stride)
                lost = _largest(after, automaton.writable_levels) > bound
                if (lost & (exploded_at == 0)).any():  # the same chance leads there again
                    again = state
                    for step in range(taken + 1, taken + stride + 1):
                        again = advance(again, 1)
                        lost = _largest(again, automaton.writable_levels) > bound
                        exploded_at[lost & (exploded_at == 0)] = step
                state, taken = after, taken + stride
            yield RolloutMoment(moment, state, exploded_at.clone())

    def measure(
        self,
        state: State,
        *,
        batch: Batch | None = None,
        task: Task | None = None,
        automaton: Automaton | None = None,
    ) -> dict[str, float]:
        """Return the task's metrics over all samples of a state."""
        automaton = automaton or self.model.trained.automaton
        shares = (task or self.model.trained.task).measure(
            automaton.finish(state), batch or self.batch
        )
        return {
            name: share.part.sum().item() / max(share.whole.sum().item(), 1e-12)
            for name, share in shares.items()
        }

    def result(
        self,
        condition: Condition,
        moment: RolloutMoment,
        metrics: Mapping[str, float],
        *,
        overrides: tuple[str, ...] = (),
    ) -> CheckResult:
        """Return a result that is compared with the trained steps, nothing changed."""
        return CheckResult(
            condition,
            moment.step,
            metrics,
            unchanged=self.clean_headline,
            exploded=moment.exploded,
            exploded_at=moment.first,
            overrides=overrides,
        )


def _largest(state: State, levels: list[str]) -> Tensor:
    """Return the largest magnitude in each sample, `(B,)`; infinite where one is not finite."""
    each = [state[name].abs().flatten(1).amax(dim=1).float() for name in levels]
    return torch.stack(each).amax(dim=0).nan_to_num(nan=torch.inf, posinf=torch.inf)
