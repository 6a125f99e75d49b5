"""Results of a sweep: mean and deviation over random seeds, best combination first."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nca.files import write_whole
from nca.jsonl import dumps, nan_if_null
from nca.reports.numbers import null_if_nan
from nca.reports.statistics import Statistics
from nca.sweep.plan import PlannedRun, SweepPlan
from nca.sweep.worker import Measure

MOMENT = ("steps", "after", "samples")
"""What a measured row says of itself, beside its metrics."""


OTHER = "it was measured at other moments than the first: remove outcome.json from its folder"

PARTS = ("mean", "deviation", "least", "greatest")
"""What is written of each metric's statistics over random seeds; see `nca.reports.statistics`."""


@dataclass(frozen=True)
class MeasuredMoment:
    """What was measured at one moment, over the runs of a combination.

    Attributes:
        steps: How many steps the states had taken.
        after: The disturbance that lies behind them, or nothing.
        metrics: The statistics of each metric over random seeds, by name; unknown where a run's own
            is not finite.
    """

    steps: int
    after: str
    metrics: dict[str, Statistics]

    def to_json(self) -> dict[str, Any]:
        """Return the moment for JSON."""
        metrics = {name: _parts(one) for name, one in self.metrics.items()}
        return {"steps": self.steps, "after": self.after, "metrics": metrics}


@dataclass(frozen=True)
class VariantResult:
    """One combination.

    Attributes:
        title: The combination, in words.
        overrides: Of all its runs; the random seed is not among them.
        random_seeds: Of the runs that came to their end.
        failed: What went wrong, by random seed.
        parameters: How many weights are trained; 0 where no run came to its end.
        moments: What was measured, in the order of time.
        folder: The best of its runs, if there is one.
    """

    title: str
    overrides: tuple[str, ...]
    random_seeds: tuple[int, ...]
    failed: dict[int, str]
    parameters: int
    moments: tuple[MeasuredMoment, ...]
    folder: str

    def to_json(self) -> dict[str, Any]:
        """Return the combination for JSON."""
        return {**vars(self), "moments": [moment.to_json() for moment in self.moments]}

    def headline(self, name: str) -> float:
        """Return the mean that orders the table: of a metric, at the first moment."""
        if not self.moments or name not in self.moments[0].metrics:
            return math.nan
        return self.moments[0].metrics[name].mean


def summarise_variants(
    plan: SweepPlan, outcomes: Mapping[str, Mapping[str, Any]]
) -> list[VariantResult]:
    """Return the combinations, best first; those without a number come last.

    Args:
        plan: What was asked.
        outcomes: What `perform` returned, or `failed`, by the name of the run's folder.
    """
    groups: dict[tuple[str, ...], list[PlannedRun]] = {}
    for run in plan.runs:
        groups.setdefault(run.overrides[:-1], []).append(run)
    found = [_line(runs, outcomes, plan) for runs in groups.values()]
    sign = -1 if plan.better == "more" else 1

    def place(line: VariantResult) -> tuple[bool, float]:
        value = line.headline(plan.headline)
        return (True, 0.0) if math.isnan(value) else (False, sign * value)

    return sorted(found, key=place)


def _line(
    runs: Sequence[PlannedRun], outcomes: Mapping[str, Mapping[str, Any]], plan: SweepPlan
) -> VariantResult:
    done = [(run, outcomes[run.folder]) for run in runs if "measured" in outcomes[run.folder]]
    failed = {r.random_seed: outcomes[r.folder]["failed"] for r in runs if r not in dict(done)}
    apart = {r.random_seed: OTHER for r, outcome in done if _when(outcome) != _when(done[0][1])}
    done, failed = [pair for pair in done if pair[0].random_seed not in apart], failed | apart

    def first(pair: tuple[PlannedRun, Mapping[str, Any]]) -> float:
        value = nan_if_null(pair[1]["measured"][0].get(plan.headline))
        return -math.inf if math.isnan(value) else value if plan.better == "more" else -value

    return VariantResult(
        title=runs[0].title,
        overrides=runs[0].overrides[:-1],
        random_seeds=tuple(run.random_seed for run, _ in done),
        failed=failed,
        parameters=done[0][1]["parameters"] if done else 0,
        moments=tuple(_moments([outcome["measured"] for _, outcome in done])),
        folder=max(done, key=first)[0].folder if done else "",
    )


def _when(outcome: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Return the moments at which an outcome was measured."""
    return [(row["steps"], row["after"]) for row in outcome["measured"]]


def _moments(measured: Sequence[Sequence[Mapping[str, Any]]]) -> Iterable[MeasuredMoment]:
    for same in zip(*measured, strict=True):
        names = [n for n in same[0] if n not in MOMENT and all(n in row for row in same)]
        metrics = {name: _over_seeds([nan_if_null(row[name]) for row in same]) for name in names}
        yield MeasuredMoment(same[0]["steps"], same[0]["after"], metrics)


def write_results(
    folder: Path, plan: SweepPlan, measure: Measure, outcomes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Write `results.json` and `results.csv`, and return what is in the former.

    Raises:
        StorageError: They cannot be written.
    """
    found = summarise_variants(plan, outcomes)
    report = {
        **measure.to_json(),
        "headline": plan.headline,
        "better": plan.better,
        "combinations": [line.to_json() for line in found],
        "runs": [
            {"folder": r.folder, "title": r.title, "random_seed": r.random_seed}
            | dict(outcomes[r.folder])
            for r in plan.runs
        ],
    }
    text = dumps(report, indent=2)
    write_whole(folder / "results.json", text.encode())
    write_whole(folder / "results.csv", _csv(found, measure).encode())
    return json.loads(text)


def _csv(found: Sequence[VariantResult], measure: Measure) -> str:
    """Return one row for each combination and moment, and one without for a combination of none."""
    rows = []
    for line in found:
        whole = {
            "combination": line.title,
            "overrides": "; ".join(line.overrides),
            "random_seeds": " ".join(map(str, line.random_seeds)),
            "failed": "; ".join(f"seed {n}: {why}" for n, why in line.failed.items()),
            "parameters": line.parameters or "",
            "split": measure.split,
        }
        for moment in line.moments:
            metrics = {
                f"{name} {part}": value
                for name, one in moment.metrics.items()
                for part, value in _parts(one).items()
            }
            rows.append({**whole, "steps": moment.steps, "after": moment.after, **metrics})
        if not line.moments:
            rows.append(whole)
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _over_seeds(values: Sequence[float]) -> Statistics:
    """Return the statistics of runs; of none where one has diverged, for a mean would hide it."""
    one = Statistics.of(values)
    return one if one.complete else Statistics.of([math.nan] * len(values))


def _parts(one: Statistics) -> dict[str, float | None]:
    return null_if_nan({part: getattr(one, part) for part in PARTS})
