"""Check of shifts: other fire rates, noise and boundaries than it was trained with."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from nca.errors import NCAError
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.thresholds import HOLDS, passes
from nca.types import Boundary

RATES = (0.25, 0.5, 0.75, 0.9, 1.0)
NOISE = (0.01, 0.03, 0.1)


@dataclass(frozen=True)
class Shift(Condition):
    """A key of the recipe is set to another value."""

    @property
    @abstractmethod
    def override(self) -> str:
        """How to set it: `table.key=value`."""


@dataclass(frozen=True)
class FireRate(Shift):
    """Each cell updates in a step with this chance."""

    rate: float

    def __str__(self) -> str:
        """Return the fire rate in words."""
        return f"fire rate {self.rate:g}"

    @property
    def override(self) -> str:
        """How to set it."""
        return f"rollout.fire_rate={self.rate}"


@dataclass(frozen=True)
class NoiseScale(Shift):
    """Every change has noise of this standard deviation."""

    scale: float

    def __str__(self) -> str:
        """Return the noise in words."""
        return f"noise {self.scale:g}"

    @property
    def override(self) -> str:
        """How to set it."""
        return f"rollout.noise={self.scale}"


@dataclass(frozen=True)
class Edge(Shift):
    """What lies beyond the edge of the grid."""

    boundary: Boundary

    def __str__(self) -> str:
        """Return the boundary in words."""
        return f"{self.boundary} at the edge"

    @property
    def override(self) -> str:
        """How to set it."""
        return f'grid.topology="{self.boundary}"'


def _rates(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    own = model.trained.automaton.fire_rate
    for rate in RATES:
        if rate == own or own == 0:
            continue
        # as many updates of a cell as it was trained for, on average
        steps = max(1, round(model.plan.steps * own / rate))
        (moment,) = seed_run.rollout(seed_run.batch.state, [steps], fire_rate=rate)
        metrics = seed_run.measure(moment.state)
        other = FireRate(rate)
        yield seed_run.result(other, moment, metrics, overrides=(other.override,))


def _overridden(
    conditions: Callable[[ModelUnderTest], Sequence[Shift]],
) -> Callable[[ModelUnderTest, SeedRun], Iterator[CheckResult]]:
    """Return what yields a result for each shift, which the automaton is built anew with."""

    def answer(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
        for shift in conditions(model):
            try:
                automaton = model.changed(shift.override).automaton
            except NCAError as fault:
                yield CheckResult(shift, model.plan.steps, barred=fault.what)
                continue
            (moment,) = seed_run.rollout(
                seed_run.batch.state, [model.plan.steps], automaton=automaton
            )
            metrics = seed_run.measure(moment.state, automaton=automaton)
            yield seed_run.result(shift, moment, metrics, overrides=(shift.override,))

    return answer


def _noises(model: ModelUnderTest) -> list[Shift]:
    own = model.trained.automaton.noise
    had = own.scale if own and own.when == "always" else 0.0
    return [NoiseScale(scale) for scale in NOISE if scale != had]


def _boundaries(model: ModelUnderTest) -> list[Shift]:
    axes = len(model.trained.recipe.tables.grid.size)
    own = set(model.trained.automaton.topology.of(axes))
    return [Edge(boundary) for boundary in get_args(Boundary) if own != {boundary}]


FIRE_RATE = Check(
    "fire rate",
    "Does it bear other fire rates?",
    "fire rates",
    "Each cell updates in a step with another chance, for more or fewer steps in proportion, so "
    f"that it updates as often as it was trained for. {HOLDS}",
    FireRate,
    _rates,
    passes,
)

NOISES = Check(
    "noise",
    "Does it bear noise?",
    "noise levels",
    "Normal noise of this standard deviation is added to every change, instead of the recipe's "
    f"own. {HOLDS}",
    NoiseScale,
    _overridden(_noises),
    passes,
)

TOPOLOGY = Check(
    "topology",
    "Does it bear other boundaries?",
    "boundaries",
    f"What lies beyond the edge of the grid is another. {HOLDS}",
    Edge,
    _overridden(_boundaries),
    passes,
)
