"""Check a rule: all laws within a time, one after the other."""

import time
from collections.abc import Iterator

from nca.testing.checks import LAWS
from nca.testing.harness import PlaceRule
from nca.testing.verdict import Verdict, judge

BUDGET = 60.0
"""Seconds in which a rule is checked, where nothing else is asked."""


def verdicts(place_rule: PlaceRule, seconds: float = BUDGET) -> Iterator[Verdict]:
    """Yield how each law fares with a rule.

    Args:
        place_rule: Makes the rule.
        seconds: How long that may take, one example of each law aside.

    Raises:
        NCAError: There are no surroundings in which the rule can be made.
    """
    end = time.perf_counter() + seconds
    for number, law in enumerate(LAWS):
        left = end - time.perf_counter()
        share = left / (len(LAWS) - number)
        yield judge(law, place_rule, seconds=share, grace=left / 4)
