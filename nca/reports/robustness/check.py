"""A check: a name, a question, and a function that measures it for one random seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.summary import CheckSummary


def always_applies(model: ModelUnderTest) -> str:
    """Return no reason: the check applies to every model."""
    return ""


@dataclass(frozen=True)
class Check:
    """A check of robustness.

    Attributes:
        name: What `--ask` names it by: `damage`.
        question: Answered by yes, partly or no.
        conditions: What its conditions are, in the plural: `kinds of damage`.
        how: How it is measured, in a few sentences.
        condition: The kind of its conditions.
        run: Yields a result per condition for one random seed.
        passes: Tells whether a condition counts as a yes; None: it does not count.
        bars: Tells why the check does not apply, or returns an empty text.
    """

    name: str
    question: str
    conditions: str
    how: str
    condition: type[Condition]
    run: Callable[[ModelUnderTest, SeedRun], Iterator[CheckResult]]
    passes: Callable[[CheckSummary, ModelUnderTest], bool | None]
    bars: Callable[[ModelUnderTest], str] = always_applies
