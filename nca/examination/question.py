"""What a question is: a name, a sentence, and how it is answered for one random seed."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nca.jsonl import nan_if_null

if TYPE_CHECKING:
    from nca.examination.subject import Subject, Trial
    from nca.examination.summary import Line

UNDEFINED = "undefined"


@dataclass(frozen=True)
class Row:
    """What one random seed answers under one condition.

    Attributes:
        condition: What was changed, in words.
        steps: When it was measured.
        metrics: The task's metrics over the samples of the random seed; NaN: undefined.
        beside: The headline without the change; None where there is nothing beside it.
        figures: What else was measured, by name; NaN: undefined.
        exploded: Share of the samples that left all bounds.
        exploded_at: The first step at which one of them did.
        curve: Pairs of step and headline, where the way there tells something.
        overrides: How to set the condition in the recipe; empty where it is no such thing.
        barred: Why it could not be measured; empty where it was.
    """

    condition: str
    steps: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    beside: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    exploded: float = 0.0
    exploded_at: int | None = None
    curve: tuple[tuple[int, float], ...] = ()
    overrides: tuple[str, ...] = ()
    barred: str = ""

    def told(self) -> dict[str, Any]:
        """Return the row for JSON; a NaN beside it by name, since null means nothing is there."""
        lost = self.beside is not None and not math.isfinite(self.beside)
        return asdict(self) | ({"beside": UNDEFINED} if lost else {})

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Row":
        """Return the row that `told` has told."""
        numbers = {
            name: {n: nan_if_null(value) for n, value in told[name].items()}
            for name in ("metrics", "figures")
        }
        curve = tuple((step, nan_if_null(value)) for step, value in told["curve"])
        overrides = tuple(told["overrides"])
        beside = math.nan if told["beside"] == UNDEFINED else told["beside"]
        others = {"beside": beside, "curve": curve, "overrides": overrides}
        return cls(**{**told, **numbers, **others})


def nothing_bars(subject: "Subject") -> str:
    """Return no reason: the question applies to whatever is examined."""
    return ""


@dataclass(frozen=True)
class Question:
    """A question of the examination.

    Attributes:
        name: What one asks for: `damage`.
        asks: The question, answered by yes, partly or no.
        conditions: What its rows are, in the plural: `kinds of damage`.
        how: How it is measured, in a few sentences.
        answer: Yields a row per condition for one random seed.
        passes: Tells whether the mean of a condition's rows counts as a yes; None: it is no case.
        bars: Tells why the question does not apply, or returns an empty text.
    """

    name: str
    asks: str
    conditions: str
    how: str
    answer: Callable[["Subject", "Trial"], Iterator[Row]]
    passes: Callable[["Line", "Subject"], bool | None]
    bars: Callable[["Subject"], str] = nothing_bars
