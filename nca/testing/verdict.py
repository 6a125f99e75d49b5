"""A law put to a rule: first the example of its defaults, then others that Hypothesis draws.

Hypothesis has no limit of time. How many examples are drawn follows from how long the first one
took, and what goes on beyond the time is cut off from outside.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from nca.registry.discovery import plugin_fault
from nca.testing.compare import NothingTestedError
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law

Outcome = Literal["held", "broken", "does not apply", "not checked"]
"""How a law fares; what is not checked is a rule with which nothing happened."""

EXAMPLES = 25
"""How many examples are drawn for a law, unless it says that fewer will do."""


@dataclass(frozen=True)
class Verdict:
    """How a law fares with a rule.

    Attributes:
        law: The law.
        outcome: How it fares.
        why: What went wrong, or why it does not apply, in words.
        example: The smallest arguments found on which it went wrong.
        examples: How many examples were tried.
        idle: In how many further ones nothing happened, so that they say nothing.
    """

    law: Law
    outcome: Outcome
    why: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    examples: int = 0
    idle: int = 0


class _OutOfTimeError(BaseException):
    """The time is over; no Exception, so that Hypothesis does not take it for a failure."""


class _Trial:
    """The examples of a law that were tried, and the last one that went wrong.

    Hypothesis shrinks: of those that go wrong, a later one is smaller.
    """

    def __init__(self, law: Law, place_rule: PlaceRule) -> None:
        self.law, self.place_rule = law, place_rule
        self.tried = self.idle = 0
        self.deadline = self.grace = float("inf")
        self.broken: tuple[Mapping[str, Any], BaseException] | None = None
        self.untested = ""

    def default(self) -> None:
        """Try the example of the law's defaults."""
        try:
            self._check({})
        except NothingTestedError as fault:
            self.untested = in_words(fault)
        except (Exception, SystemExit):  # noted
            return

    def drawn(self, example: Mapping[str, Any]) -> None:
        """Try an example that was drawn; one in which nothing happens is as good as none.

        Raises:
            Exception: It went wrong.
        """
        if time.perf_counter() > (self.grace if self.broken else self.deadline):
            raise _OutOfTimeError
        try:
            self._check(example)
        except NothingTestedError:
            self.idle += 1
            reject()

    def _check(self, example: Mapping[str, Any]) -> None:
        try:
            self.law.check(self.place_rule, **example)
        except NothingTestedError:
            raise
        except (Exception, SystemExit) as fault:  # a rule may raise whatever it likes
            self.broken = (example, fault)
            raise
        finally:
            self.tried += 1

    def verdict(self) -> Verdict:
        """Return what was found."""
        tested = self.tried - self.idle
        if self.broken:
            example, fault = self.broken
            return Verdict(self.law, "broken", in_words(fault), example, tested, self.idle)
        if self.untested:
            return Verdict(self.law, "not checked", self.untested, {}, tested - 1, self.idle)
        return Verdict(self.law, "held", examples=tested, idle=self.idle)


def judge(
    law: Law,
    place_rule: PlaceRule,
    *,
    most: int = EXAMPLES,
    seconds: float = float("inf"),
    grace: float = 0.0,
) -> Verdict:
    """Return how a law fares with a rule.

    Args:
        law: The law.
        place_rule: Makes the rule.
        most: How many examples are drawn at most.
        seconds: How long that may take, one example aside.
        grace: How long it may take instead where an example went wrong, to find a smaller one.

    Raises:
        NCAError: There are no surroundings in which the rule can be made.
    """
    harness = Harness(place_rule)
    if why := law.misfit(harness):
        return Verdict(law, "does not apply", why)
    trial, begun = _Trial(law, place_rule), time.perf_counter()
    trial.default()
    took = time.perf_counter() - begun
    strategies = dict(law.draw(harness))
    allowed = max(seconds, grace) if trial.broken else seconds
    affordable = int(min((allowed - took) / took, most)) if took else most
    if strategies and affordable >= 1 and not trial.untested:
        trial.deadline = begun + seconds
        trial.grace = max(trial.deadline, begun + grace)
        _draw(trial, strategies, min(law.examples(most), affordable))
    return trial.verdict()


def _draw(trial: _Trial, strategies: dict[str, Any], count: int) -> None:
    """Let Hypothesis draw examples, and shrink one that goes wrong."""

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
        print_blob=False,
    )
    @given(st.fixed_dictionaries(strategies))
    def holds(example: dict[str, Any]) -> None:
        trial.drawn({name: example[name] for name in strategies})

    try:
        holds()
    except (_OutOfTimeError, Unsatisfiable):
        return
    except (Exception, SystemExit):
        if trial.broken is None:
            raise


def in_words(fault: BaseException) -> str:
    """Return what went wrong, in a line."""
    first = (str(fault).splitlines() or [""])[0]
    if isinstance(fault, AssertionError) and first:
        return first
    in_a_plugin = plugin_fault(fault)
    where = f", in {in_a_plugin.where}" if in_a_plugin else ""
    return f"{type(fault).__name__}{f': {first}' if first else ''}{where}"
