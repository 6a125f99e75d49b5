"""Examine a trained automaton: duration, damage, shifts, turns, adversaries, translation.

`catalogue` lists the questions, each of which lives in a file with its kin; `subject` is what is
examined, `asking` asks under every random seed, `notebook` keeps the answers, `summary` adds them
up, `verdict` says it in words, `publish` writes the report.
"""

from nca.examination.asking import Examination, examine
from nca.examination.catalogue import QUESTIONS, choose
from nca.examination.notebook import Notebook
from nca.examination.plan import Plan
from nca.examination.publish import publish, ready, told
from nca.examination.question import Question, Row
from nca.examination.subject import Subject, Trial
from nca.examination.verdict import findings, headline

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
