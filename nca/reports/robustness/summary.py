"""Summary of the results of all random seeds, condition by condition."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nca.reports.numbers import null_if_nan
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.statistics import Statistics


@dataclass(frozen=True)
class CheckSummary:
    """All random seeds under one condition of a check.

    Attributes:
        check: Its name.
        condition: What was changed.
        steps: When it was measured.
        headline: The metric that answers are given in.
        unchanged: The same without the change; None where it is compared with nothing.
        change: By how much the headline differs, seed by seed; None likewise.
        metrics: All metrics, by name.
        figures: What else was measured, by name.
        exploded: Share of all samples that left all bounds.
        exploded_at: The first step at which one did.
        curve: Step, and the headline then.
        overrides: How to set the condition in the recipe.
        barred: Why it was not measured; empty where it was.
    """

    check: str
    condition: Condition
    steps: int
    headline: Statistics
    unchanged: Statistics | None
    change: Statistics | None
    metrics: Mapping[str, Statistics]
    figures: Mapping[str, Statistics]
    exploded: float
    exploded_at: int | None
    curve: Sequence[tuple[int, Statistics]]
    overrides: tuple[str, ...]
    barred: str

    def to_json(self) -> dict[str, Any]:
        """Return the summary for JSON; what is undefined as null."""
        condition = {"condition": str(self.condition), "parameters": self.condition.to_json()}
        if self.barred:
            return condition | {"does_not_apply": self.barred}
        return condition | {
            "steps": self.steps,
            "headline": _interval(self.headline),
            "unchanged": self.unchanged and _interval(self.unchanged),
            "change": self.change and _interval(self.change),
            "exploded": self.exploded,
            "exploded_at": self.exploded_at,
            "figures": {name: _interval(one) for name, one in self.figures.items()},
            "metrics": {name: _interval(one) for name, one in self.metrics.items()},
            "curve": [[step, null_if_nan(one.mean)] for step, one in self.curve],
            "overrides": list(self.overrides),
        }


def summarise(
    check: str, answers: Sequence[Sequence[CheckResult]], headline: str
) -> list[CheckSummary]:
    """Return one summary per condition, in the order of the first random seed.

    Args:
        check: Its name.
        answers: The results of each random seed.
        headline: The metric that answers are given in.
    """
    return [_summary(check, rows, headline) for rows in zip(*answers, strict=True)]


def _summary(check: str, rows: Sequence[CheckResult], headline: str) -> CheckSummary:
    first = rows[0]
    values = [row.metrics.get(headline, math.nan) for row in rows]
    unchanged = [row.unchanged for row in rows if row.unchanged is not None]
    pairs = zip(values, (row.unchanged for row in rows), strict=True)
    changes = [value - one for value, one in pairs if one is not None]
    exploded_at = [row.exploded_at for row in rows if row.exploded_at is not None]
    return CheckSummary(
        check,
        first.condition,
        first.steps,
        headline=Statistics.of(values),
        unchanged=Statistics.of(unchanged) if unchanged else None,
        change=Statistics.of(changes) if unchanged else None,
        metrics=_each([row.metrics for row in rows]),
        figures=_each([row.figures for row in rows]),
        exploded=statistics.fmean(row.exploded for row in rows),
        exploded_at=min(exploded_at, default=None),
        curve=_curve([row.curve for row in rows]),
        overrides=first.overrides,
        barred=first.barred,
    )


def _each(rows: Sequence[Mapping[str, float]]) -> dict[str, Statistics]:
    return {name: Statistics.of([row[name] for row in rows]) for name in rows[0]}


def _curve(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, Statistics]]:
    return [
        (stops[0][0], Statistics.of([value for _, value in stops]))
        for stops in zip(*curves, strict=True)
    ]


def _interval(one: Statistics) -> dict[str, Any]:
    return null_if_nan(
        {"mean": one.mean, "low": one.low, "high": one.high, "random_seeds": one.known}
    )
