"""Add up the answers of all random seeds: means with intervals, condition by condition."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nca.examination.question import Row

SURE = 0.95
"""How often an interval made in this way covers the true mean, if seeds vary normally."""


@dataclass(frozen=True)
class Interval:
    """A mean over random seeds with its interval (Student's t).

    Attributes:
        mean: NaN where no random seed has a value.
        low: Lower end; NaN for fewer than two values.
        high: Upper end.
        known: How many random seeds have a value.
        asked: How many were asked.
    """

    mean: float
    low: float
    high: float
    known: int
    asked: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Interval":
        """Return the interval of values, of which NaN and the infinite are left out."""
        given = list(values)
        known = [value for value in given if math.isfinite(value)]
        if not known:
            return cls(math.nan, math.nan, math.nan, 0, len(given))
        mean = statistics.fmean(known)
        if len(known) < 2:
            return cls(mean, math.nan, math.nan, 1, len(given))
        # imported here, because it takes a while that other commands can spare
        from scipy.special import stdtrit

        reach = float(stdtrit(len(known) - 1, (1 + SURE) / 2))
        half = reach * statistics.stdev(known) / math.sqrt(len(known))
        return cls(mean, mean - half, mean + half, len(known), len(given))

    @property
    def sure(self) -> bool:
        """Whether every random seed has a value."""
        return self.known == self.asked

    def told(self) -> dict[str, Any]:
        """Return it for JSON; what is undefined is NaN."""
        ends = {"mean": self.mean, "low": self.low, "high": self.high}
        return {**ends, "random_seeds": self.known}


@dataclass(frozen=True)
class Line:
    """All random seeds under one condition of a question.

    Attributes:
        question: Its name.
        condition: What was changed, in words.
        steps: When it was measured.
        headline: The metric that answers are given in.
        beside: The same without the change; None where nothing is beside it.
        change: By how much the headline differs, seed by seed; None likewise.
        metrics: All metrics, by name.
        figures: What else was measured, by name.
        exploded: Share of all samples that left all bounds.
        exploded_at: The first step at which one did.
        curve: Step, and the headline then.
        overrides: How to set the condition in the recipe.
        barred: Why it was not measured; empty where it was.
    """

    question: str
    condition: str
    steps: int
    headline: Interval
    beside: Interval | None
    change: Interval | None
    metrics: Mapping[str, Interval]
    figures: Mapping[str, Interval]
    exploded: float
    exploded_at: int | None
    curve: Sequence[tuple[int, Interval]]
    overrides: tuple[str, ...]
    barred: str

    def told(self) -> dict[str, Any]:
        """Return the line for JSON."""
        if self.barred:
            return {"condition": self.condition, "does_not_apply": self.barred}
        return {
            "condition": self.condition,
            "steps": self.steps,
            "headline": self.headline.told(),
            "unchanged": self.beside and self.beside.told(),
            "change": self.change and self.change.told(),
            "exploded": self.exploded,
            "exploded_at": self.exploded_at,
            "figures": {name: one.told() for name, one in self.figures.items()},
            "metrics": {name: one.told() for name, one in self.metrics.items()},
            "curve": [[step, one.told()["mean"]] for step, one in self.curve],
            "overrides": list(self.overrides),
        }


def lines(question: str, answers: Sequence[Sequence[Row]], headline: str) -> list[Line]:
    """Return one line per condition, in the order in which the first random seed tells them.

    Args:
        question: Its name.
        answers: The rows of each random seed.
        headline: The metric that answers are given in.
    """
    if not answers:
        return []
    return [
        _line(question, [rows[place] for rows in answers], headline)
        for place in range(len(answers[0]))
    ]


def _line(question: str, rows: Sequence[Row], headline: str) -> Line:
    first = rows[0]
    values = [row.metrics.get(headline, math.nan) for row in rows]
    beside = [row.beside for row in rows if row.beside is not None]
    pairs = zip(values, (row.beside for row in rows), strict=True)
    changes = [value - one for value, one in pairs if one is not None]
    exploded_at = [row.exploded_at for row in rows if row.exploded_at is not None]
    return Line(
        question,
        first.condition,
        first.steps,
        headline=Interval.of(values),
        beside=Interval.of(beside) if beside else None,
        change=Interval.of(changes) if beside else None,
        metrics=_intervals([row.metrics for row in rows]),
        figures=_intervals([row.figures for row in rows]),
        exploded=statistics.fmean(row.exploded for row in rows),
        exploded_at=min(exploded_at, default=None),
        curve=_curve([row.curve for row in rows]),
        overrides=first.overrides,
        barred=first.barred,
    )


def _intervals(told: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    return {name: Interval.of([one[name] for one in told]) for name in told[0]}


def _curve(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, Interval]]:
    return [
        (stops[0][0], Interval.of([value for _, value in stops]))
        for stops in zip(*curves, strict=True)
    ]
