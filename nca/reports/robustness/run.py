"""Robustness checks of a model, run for one random seed after the other.

So that where time runs out, every check has been run for the same random seeds; the long run
comes last.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nca.progress import SILENT, Progress
from nca.reports.robustness.cache import ResultCache
from nca.reports.robustness.check import Check
from nca.reports.robustness.duration import LONG_RUN
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.pulse import Pulse, TimeUpError
from nca.reports.robustness.result import CheckResult
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.summary import CheckSummary, summarise


@dataclass(frozen=True)
class RobustnessResult:
    """What all checks of a model have found.

    Attributes:
        model: Of what.
        checks: Those that were asked, in the order of the report.
        summaries: Their answers, by check.
        asked: How many random seeds have answered, by check.
        barred: Why checks do not apply, by check.
    """

    model: ModelUnderTest
    checks: Sequence[Check]
    summaries: dict[str, list[CheckSummary]]
    asked: dict[str, int]
    barred: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """What there was no time for, in words."""
        seeds = self.model.plan.seeds
        return [
            f"{name}: {count} of {seeds} random seeds"
            for name, count in self.asked.items()
            if count < seeds
        ]


@torch.no_grad()
def run_checks(
    model: ModelUnderTest,
    checks: Sequence[Check],
    cache: ResultCache,
    *,
    seconds: float | None = None,
    progress: Progress = SILENT,
) -> RobustnessResult:
    """Run checks of a model under every random seed, and keep the results.

    Args:
        model: What is checked.
        checks: In the order of the report.
        cache: What it holds already is not run again.
        seconds: After so many no further check is begun, and one that is under way is given up;
            None: no bound.
        progress: Where it is reported how many results there are, after each check.
    """
    begun = time.monotonic()
    barred = {one.name: reason for one in checks if (reason := one.bars(model))}
    open_ = [one for one in checks if one.name not in barred]
    order = [one for one in open_ if one != LONG_RUN]
    late = [one for one in open_ if one == LONG_RUN]
    seeds = range(model.plan.seeds)
    total = len(open_) * len(seeds)
    pairs = [(one, number) for part in (order, late) for number in seeds for one in part]
    seed_run: SeedRun | None = None
    at = [0, ""]
    until = math.inf if seconds is None else begun + seconds
    pulse = Pulse(until, lambda: progress.advance(*at))
    progress.begin("examining", total, unit="results")
    for done, (check, number) in enumerate(pairs):
        at[:] = done, f"{check.name} goes on"
        if pulse.over:
            break
        if seed_run is None or seed_run.number != number:
            seed_run = SeedRun(model, number, pulse)
        if (check.name, seed_run.random_seed) not in cache.answers:
            try:
                rows = list(check.run(model, seed_run))
            except TimeUpError:
                break
            cache.write(check.name, seed_run.random_seed, rows)
        progress.advance(done + 1, check.name)
    return gathered(model, checks, cache, barred)


def gathered(
    model: ModelUnderTest, checks: Sequence[Check], cache: ResultCache, barred: dict[str, str]
) -> RobustnessResult:
    """Return what a cache holds."""
    found: dict[str, list[CheckSummary]] = {}
    asked: dict[str, int] = {}
    for check in checks:
        if check.name in barred:
            continue
        answers: list[list[CheckResult]] = [
            cache.answers[check.name, seed]
            for seed in model.random_seeds
            if (check.name, seed) in cache.answers
        ]
        asked[check.name] = len(answers)
        found[check.name] = summarise(check.name, answers, model.headline)
    return RobustnessResult(model, checks, found, asked, barred)
