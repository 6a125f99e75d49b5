"""Does it bear other chances, noise and boundaries than it was trained with?"""

from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from nca.errors import NCAError
from nca.reports.robustness.check import Check, CheckResult
from nca.reports.robustness.model import ModelUnderTest, SeedRun
from nca.reports.robustness.thresholds import HOLDS, holds
from nca.types import Boundary

RATES = (0.25, 0.5, 0.75, 0.9, 1.0)
NOISE = (0.01, 0.03, 0.1)


def _rates(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    own = model.trained.automaton.fire_rate
    for rate in RATES:
        if rate == own or own == 0:
            continue
        # as many updates of a cell as it was trained for, on average
        steps = max(1, round(model.plan.steps * own / rate))
        (moment,) = seed_run.walk(seed_run.batch.state, [steps], fire_rate=rate)
        metrics = seed_run.measure(moment.state)
        overrides = (f"rollout.fire_rate={rate}",)
        yield seed_run.row(f"fire rate {rate:g}", moment, metrics, overrides=overrides)


def _overridden(
    conditions: Callable[[ModelUnderTest], Sequence[tuple[str, str]]],
) -> Callable[[ModelUnderTest, SeedRun], Iterator[CheckResult]]:
    """Return an answer of rows that each override one key, told as `(words, override)`."""

    def answer(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
        for words, override in conditions(model):
            try:
                automaton = model.changed(override).automaton
            except NCAError as fault:
                yield CheckResult(words, model.plan.steps, barred=fault.what)
                continue
            (moment,) = seed_run.walk(seed_run.batch.state, [model.plan.steps], automaton=automaton)
            metrics = seed_run.measure(moment.state, automaton=automaton)
            yield seed_run.row(words, moment, metrics, overrides=(override,))

    return answer


def _noises(model: ModelUnderTest) -> list[tuple[str, str]]:
    own = model.trained.automaton.noise
    had = own.scale if own and own.when == "always" else 0.0
    return [(f"noise {s:g}", f"rollout.noise={s}") for s in NOISE if s != had]


def _boundaries(model: ModelUnderTest) -> list[tuple[str, str]]:
    axes = len(model.trained.recipe.tables.grid.size)
    own = set(model.trained.automaton.topology.of(axes))
    return [
        (f"{boundary} at the edge", f'grid.topology="{boundary}"')
        for boundary in get_args(Boundary)
        if own != {boundary}
    ]


FIRE_RATE = Check(
    "fire rate",
    "Does it bear other fire rates?",
    "fire rates",
    "Each cell updates in a step with another chance, for more or fewer steps in proportion, so "
    f"that it updates as often as it was trained for. {HOLDS}",
    _rates,
    holds,
)

NOISES = Check(
    "noise",
    "Does it bear noise?",
    "noise levels",
    "Normal noise of this standard deviation is added to every change, instead of the recipe's "
    f"own. {HOLDS}",
    _overridden(_noises),
    holds,
)

TOPOLOGY = Check(
    "topology",
    "Does it bear other boundaries?",
    "boundaries",
    f"What lies beyond the edge of the grid is another. {HOLDS}",
    _overridden(_boundaries),
    holds,
)
