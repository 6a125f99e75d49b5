"""Does it keep what it does, far beyond the steps that it was trained for?"""

from collections.abc import Iterator
from dataclasses import replace

from nca.reports.robustness.check import Check, CheckResult
from nca.reports.robustness.model import ModelUnderTest, SeedRun
from nca.reports.robustness.thresholds import holds

TIMES = (1, 2, 4, 16)


def _as_long(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    steps = model.plan.steps
    course = []
    for times, moment in zip(
        (0, *TIMES),
        seed_run.walk(seed_run.batch.state, [times * steps for times in (0, *TIMES)]),
        strict=True,
    ):
        metrics = seed_run.measure(moment.state)
        course.append((moment.step, metrics[model.headline]))
        if times:
            told = "the trained steps" if times == 1 else f"{times} times the trained steps"
            row = seed_run.row(told, moment, metrics)
            # what is as trained is what all else is compared with
            yield row if times > 1 else replace(row, beside=None)


def _very_long(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    plan = model.plan
    batch = seed_run.batch.select(slice(0, plan.long_samples))
    course, measured = [], {}
    for moment in seed_run.walk(batch.state, _stops(plan.steps, plan.long_steps)):
        measured[moment.step] = seed_run.measure(moment.state, batch=batch)
        course.append((moment.step, measured[moment.step][model.headline]))
        if moment.step == plan.long_steps:
            row = seed_run.row(f"{plan.long_steps:,} steps", moment, measured[moment.step])
            beside = measured[plan.steps][model.headline]
            yield replace(row, beside=beside, curve=tuple(course))


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
    _as_long,
    holds,
)

LONG_RUN = Check(
    "long run",
    "Does it hold for ten thousand steps?",
    "long runs",
    "A few samples of each random seed go on for as many steps as stated, and are compared with "
    "themselves after the trained steps.",
    _very_long,
    holds,
    _short,
)
