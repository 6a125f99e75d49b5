"""Check of duration: is it stable far beyond the steps that it was trained for?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.thresholds import passes

TIMES = (1, 2, 4, 16)


@dataclass(frozen=True)
class Duration(Condition):
    """So many times the trained steps."""

    times: int

    def __str__(self) -> str:
        """Return the duration in words."""
        return f"{self.times} times " * (self.times > 1) + "the trained steps"


@dataclass(frozen=True)
class LongRun(Condition):
    """So many steps."""

    steps: int

    def __str__(self) -> str:
        """Return the steps in words."""
        return f"{self.steps:,} steps"


def _as_long(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    steps = model.plan.steps
    moments = seed_run.rollout(seed_run.batch.state, [times * steps for times in TIMES])
    for times, moment in zip(TIMES, moments, strict=True):
        row = seed_run.result(Duration(times), moment, seed_run.measure(moment.state))
        # what is as trained is what all else is compared with
        yield row if times > 1 else replace(row, unchanged=None)


def _very_long(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    plan = model.plan
    batch = seed_run.batch.select(slice(0, plan.long_samples))
    course, measured = [], {}
    for moment in seed_run.rollout(batch.state, _stops(plan.steps, plan.long_steps)):
        measured[moment.step] = seed_run.measure(moment.state, batch=batch)
        course.append((moment.step, measured[moment.step][model.headline]))
        if moment.step == plan.long_steps:
            row = seed_run.result(LongRun(plan.long_steps), moment, measured[moment.step])
            unchanged = measured[plan.steps][model.headline]
            yield replace(row, unchanged=unchanged, curve=tuple(course))


def _stops(steps: int, last: int) -> list[int]:
    """Return moments that double from the trained steps to the last."""
    stops, at = [], steps
    while at < last:
        stops.append(at)
        at *= 2
    return [*stops, last]


def _short(model: ModelUnderTest) -> str:
    if model.plan.long_steps > model.plan.steps:
        return ""
    return f"it was trained for {model.plan.steps:,} steps, no fewer than the long run has"


DURATION = Check(
    "duration",
    "Does it hold beyond the steps that it was trained for?",
    "durations",
    "The same samples go on, and are measured again after 2, 4 and 16 times the trained steps.",
    Duration,
    _as_long,
    passes,
)

LONG_RUN = Check(
    "long run",
    "Does it hold for ten thousand steps?",
    "long runs",
    "A few samples of each random seed go on for as many steps as stated, and are compared with "
    "themselves after the trained steps.",
    LongRun,
    _very_long,
    passes,
    _short,
)
