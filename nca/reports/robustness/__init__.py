"""Examine a trained automaton: duration, damage, shifts, turns, adversaries, translation.

`catalogue` lists the checks, each of which lives in a file with its kin; `model` is what is
examined, `run` asks under every random seed, `cache` keeps the answers, `summary` adds them
up, `verdict` says it in words, `publish` writes the report.
"""

from nca.reports.robustness.cache import ResultCache
from nca.reports.robustness.catalogue import CHECKS, choose
from nca.reports.robustness.check import Check, CheckResult
from nca.reports.robustness.model import ModelUnderTest, SeedRun
from nca.reports.robustness.plan import RobustnessPlan
from nca.reports.robustness.publish import make_folder, publish, to_json
from nca.reports.robustness.run import RobustnessResult, run_checks
from nca.reports.robustness.verdict import findings, headline

__all__ = [
    "CHECKS",
    "RobustnessResult",
    "ResultCache",
    "RobustnessPlan",
    "Check",
    "CheckResult",
    "ModelUnderTest",
    "SeedRun",
    "choose",
    "run_checks",
    "findings",
    "headline",
    "publish",
    "make_folder",
    "to_json",
]
