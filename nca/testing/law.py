"""A law: what every update rule keeps, as a check of one example and the examples to draw."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nca.testing.harness import Harness

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def _always(harness: Harness) -> str:
    return ""


@dataclass(frozen=True)
class Law:
    """What every rule keeps.

    Attributes:
        name: What the command line calls it.
        statement: What it says, as a clause.
        check: Takes what places the rule, and an example: arguments that all have defaults. It
            raises an error on a rule that breaks the law.
        draw: The strategies of the arguments, for a rule in its harness.
        misfit: Why it does not apply to a rule; empty: it does.
        share: One of so many examples is enough: some laws cost more, or find their faults sooner.
    """

    name: str
    statement: str
    check: Callable[..., None]
    draw: Callable[[Harness], Mapping[str, "SearchStrategy[Any]"]]
    misfit: Callable[[Harness], str] = _always
    share: int = 2

    def examples(self, most: int) -> int:
        """Return how many examples to draw, of so many at most: its share, from 4 to 50."""
        return most if self.share == 1 else min(max(most // self.share, min(4, most)), 50)
