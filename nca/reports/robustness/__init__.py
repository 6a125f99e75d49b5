"""Report on robustness: duration, damage, shifts, turns, adversaries, translation.

    nca examine CHECKPOINT                all checks under eight random seeds
    nca examine CHECKPOINT --quick        three random seeds, fewer samples
    nca examine CHECKPOINT --ask damage   one check

It asks how the headline metric holds at 2, 4 and 16 times the trained steps and at 10,000, which
of 17 kinds of damage heal, in how many steps and how much of what was lost comes back, whether the
cells follow an exchanged input, and how the automaton bears other fire rates, noise, grids,
boundaries, turns, and cells that say random things. Translation on the torus must be exact. The
answer is one page, `report.html`, with its pictures and numbers. What is measured is kept in the
folder, and is not measured again. A condition passes by fixed thresholds, stated on the page;
intervals are over random seeds of one checkpoint, not of its training.

`catalogue` lists the checks, each of which lives in a file with its kin; `model` is what is
checked, `seed_run` its samples under one random seed, `run` runs every check under every random
seed, `cache` keeps the results, `summary` adds them up, `verdict` says it in words; `tables`,
`charts`, `pictures` and `page` show it, `publish` writes the folder.
"""

from nca.reports.robustness.cache import ResultCache, continues
from nca.reports.robustness.catalogue import CHECKS, select_checks
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.plan import RobustnessPlan
from nca.reports.robustness.publish import (
    publish_robustness,
    robustness_report,
    robustness_to_json,
)
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.run import RobustnessResult, run_checks
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.verdict import findings, robustness_headline

__all__ = [
    "CHECKS",
    "Check",
    "CheckResult",
    "Condition",
    "ModelUnderTest",
    "ResultCache",
    "RobustnessPlan",
    "RobustnessResult",
    "SeedRun",
    "continues",
    "select_checks",
    "findings",
    "robustness_headline",
    "publish_robustness",
    "robustness_report",
    "run_checks",
    "robustness_to_json",
]
