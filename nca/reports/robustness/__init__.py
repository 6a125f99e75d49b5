"""Examine a trained automaton: duration, damage, shifts, turns, adversaries, translation.

`catalogue` lists the questions, each of which lives in a file with its kin; `subject` is what is
examined, `asking` asks under every random seed, `notebook` keeps the answers, `summary` adds them
up, `verdict` says it in words, `publish` writes the report.
"""

from nca.reports.robustness.cache import Notebook
from nca.reports.robustness.catalogue import QUESTIONS, choose
from nca.reports.robustness.check import Question, Row
from nca.reports.robustness.model import Subject, Trial
from nca.reports.robustness.plan import Plan
from nca.reports.robustness.publish import publish, ready, told
from nca.reports.robustness.run import Examination, examine
from nca.reports.robustness.verdict import findings, headline

__all__ = [
    "QUESTIONS",
    "Examination",
    "Notebook",
    "Plan",
    "Question",
    "Row",
    "Subject",
    "Trial",
    "choose",
    "examine",
    "findings",
    "headline",
    "publish",
    "ready",
    "told",
]
