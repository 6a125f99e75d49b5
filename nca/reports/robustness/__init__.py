"""Report on robustness: duration, damage, shifts, turns, adversaries, translation.

`catalogue` lists the checks, each of which lives in a file with its kin; `model` is what is
checked, `seed_run` its samples under one random seed, `run` runs every check under every random
seed, `cache` keeps the results, `summary` adds them up, `verdict` says it in words; `tables`,
`charts`, `pictures` and `page` show it, `publish` writes the folder.
"""

from nca.reports.robustness.cache import ResultCache
from nca.reports.robustness.catalogue import CHECKS, select_checks
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.plan import RobustnessPlan
from nca.reports.robustness.publish import publish_robustness, robustness_to_json
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
    "select_checks",
    "findings",
    "robustness_headline",
    "publish_robustness",
    "run_checks",
    "robustness_to_json",
]
