"""Does it keep what it does, far beyond the steps that it was trained for?"""

from collections.abc import Iterator
from dataclasses import replace

from nca.reports.robustness.check import Question, Row
from nca.reports.robustness.model import Subject, Trial
from nca.reports.robustness.thresholds import holds

TIMES = (1, 2, 4, 16)


def _as_long(subject: Subject, trial: Trial) -> Iterator[Row]:
    steps = subject.plan.steps
    course = []
    for times, moment in zip(
        (0, *TIMES),
        trial.walk(trial.batch.state, [times * steps for times in (0, *TIMES)]),
        strict=True,
    ):
        metrics = trial.measure(moment.state)
        course.append((moment.step, metrics[subject.headline]))
        if times:
            told = "the trained steps" if times == 1 else f"{times} times the trained steps"
            row = trial.row(told, moment, metrics)
            # what is as trained is what all else is compared with
            yield row if times > 1 else replace(row, beside=None)


def _very_long(subject: Subject, trial: Trial) -> Iterator[Row]:
    plan = subject.plan
    batch = trial.batch.select(slice(0, plan.long_samples))
    course, measured = [], {}
    for moment in trial.walk(batch.state, _stops(plan.steps, plan.long_steps)):
        measured[moment.step] = trial.measure(moment.state, batch=batch)
        course.append((moment.step, measured[moment.step][subject.headline]))
        if moment.step == plan.long_steps:
            row = trial.row(f"{plan.long_steps:,} steps", moment, measured[moment.step])
            beside = measured[plan.steps][subject.headline]
            yield replace(row, beside=beside, curve=tuple(course))


def _stops(steps: int, last: int) -> list[int]:
    """Return moments that double from the trained steps to the last."""
    stops, at = [], steps
    while at < last:
        stops.append(at)
        at *= 2
    return [*stops, last]


def _short(subject: Subject) -> str:
    if subject.plan.long_steps > subject.plan.steps:
        return ""
    return f"it was trained for {subject.plan.steps:,} steps, no fewer than the long run has"


DURATION = Question(
    "duration",
    "Does it hold beyond the steps that it was trained for?",
    "durations",
    "The same samples go on, and are measured again after 2, 4 and 16 times the trained steps.",
    _as_long,
    holds,
)

LONG_RUN = Question(
    "long run",
    "Does it hold for ten thousand steps?",
    "long runs",
    "A few samples of each random seed go on for as many steps as stated, and are compared with "
    "themselves after the trained steps.",
    _very_long,
    holds,
    _short,
)
