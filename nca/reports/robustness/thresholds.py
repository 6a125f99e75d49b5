"""Thresholds: when the numbers of a condition count as a yes."""

from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.summary import CheckSummary

KEPT = 0.95
"""Of a headline of which more is better, this share must be left."""

WORSE = 2.0
"""A headline of which less is better may grow to so many times what it was."""

DUST = 1e-9
"""What is less has been left over by rounding."""

HOLDS = (
    f"A condition counts as held where the mean headline is at least {100 * KEPT:g} % of the "
    f"unchanged one, or, where less is better, at most {WORSE:g} times it, and no "
    "sample has exploded."
)


def passes(line: CheckSummary, model: ModelUnderTest) -> bool | None:
    """Tell whether the headline is kept; None where it is compared with nothing."""
    if line.unchanged is None:
        return None
    if line.exploded or not line.headline.complete:
        return False
    value, unchanged = line.headline.mean, line.unchanged.mean
    if model.more_is_better:
        return value >= KEPT * unchanged - DUST
    return value <= WORSE * unchanged + DUST
