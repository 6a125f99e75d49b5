"""Ask all questions of every random seed, one random seed after the other.

So that where time runs out, every question has been asked of the same random seeds; the long run
comes last.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from nca.reports.robustness.cache import Notebook
from nca.reports.robustness.check import Question, Row
from nca.reports.robustness.duration import LONG_RUN
from nca.reports.robustness.model import Subject, Trial
from nca.reports.robustness.summary import Line, lines


@dataclass(frozen=True)
class Examination:
    """An examination that has been held.

    Attributes:
        subject: Of what.
        questions: Those that were asked, in the order in which they are told.
        lines: Their answers, by question.
        asked: How many random seeds have answered, by question.
        barred: Why questions do not apply, by question.
    """

    subject: Subject
    questions: Sequence[Question]
    lines: dict[str, list[Line]]
    asked: dict[str, int]
    barred: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """What there was no time for, in words."""
        seeds = self.subject.plan.seeds
        return [
            f"{name}: {count} of {seeds} random seeds"
            for name, count in self.asked.items()
            if count < seeds
        ]


@torch.no_grad()
def examine(
    subject: Subject,
    questions: Sequence[Question],
    notebook: Notebook,
    *,
    seconds: float | None = None,
    watch: Callable[[str, int, int], object] | None = None,
) -> Examination:
    """Ask questions of a subject, and note the answers.

    Args:
        subject: What is examined.
        questions: In the order in which they are told.
        notebook: What it holds already is not asked again.
        seconds: After so many no further question is asked; None: no bound.
        watch: Told question, and how many answers of how many there are, after each.
    """
    begun = time.monotonic()
    barred = {one.name: reason for one in questions if (reason := one.bars(subject))}
    open_ = [one for one in questions if one.name not in barred]
    order = [one for one in open_ if one != LONG_RUN]
    late = [one for one in open_ if one == LONG_RUN]
    seeds = range(subject.plan.seeds)
    total = len(open_) * len(seeds)
    pairs = [(one, number) for part in (order, late) for number in seeds for one in part]
    trial: Trial | None = None
    for done, (question, number) in enumerate(pairs, start=1):
        if seconds is not None and time.monotonic() - begun > seconds:
            break
        if trial is None or trial.number != number:
            trial = Trial(subject, number)
        if (question.name, trial.random_seed) not in notebook.answers:
            rows = list(question.answer(subject, trial))
            notebook.write(question.name, trial.random_seed, rows)
        if watch:
            watch(question.name, done, total)
    return gathered(subject, questions, notebook, barred)


def gathered(
    subject: Subject, questions: Sequence[Question], notebook: Notebook, barred: dict[str, str]
) -> Examination:
    """Return what a notebook holds as an examination."""
    found: dict[str, list[Line]] = {}
    asked: dict[str, int] = {}
    for question in questions:
        if question.name in barred:
            continue
        answers: list[list[Row]] = [
            notebook.answers[question.name, seed]
            for seed in subject.random_seeds
            if (question.name, seed) in notebook.answers
        ]
        asked[question.name] = len(answers)
        found[question.name] = lines(question.name, answers, subject.headline)
    return Examination(subject, questions, found, asked, barred)
