"""Check a rule: all laws within a time, one after the other."""

import time
from collections.abc import Iterator, Sequence

from nca.testing.checks import LAWS
from nca.testing.harness import PlaceRule
from nca.testing.law import Law
from nca.testing.verdict import EXAMPLES, Verdict, judge

NO_TIME = "no time was left for it"
"""Why a law is not checked whose turn comes too late."""


def verdicts(
    place_rule: PlaceRule,
    seconds: float,
    *,
    laws: Sequence[Law] = LAWS,
    most: int = EXAMPLES,
    until: float = float("inf"),
) -> Iterator[Verdict]:
    """Yield how each law fares with a rule.

    Args:
        place_rule: Makes the rule.
        seconds: How long that may take, one example of each law aside.
        laws: Which ones.
        most: How many examples are drawn for a law at most.
        until: After which time, as `time.perf_counter` tells it, no law is begun.

    Raises:
        NCAError: There are no surroundings in which the rule can be made.
    """
    end = time.perf_counter() + seconds
    for number, law in enumerate(laws):
        now = time.perf_counter()
        if now > until:
            yield Verdict(law, "not checked", NO_TIME)
            continue
        share = (end - now) / (len(laws) - number)
        yield judge(law, place_rule, most=most, seconds=share, grace=(end - now) / 4)
