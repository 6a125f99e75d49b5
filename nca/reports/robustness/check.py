"""What a check is: a name, a sentence, and how it is answered for one random seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca.reports.robustness.model import ModelUnderTest, SeedRun
    from nca.reports.robustness.summary import CheckSummary

UNDEFINED = "undefined"


@dataclass(frozen=True)
class CheckResult:
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

    def to_json(self) -> dict[str, Any]:
        """Return the row for JSON; NaN as null, but where null says that nothing is beside it."""
        told = _plain(asdict(self))
        if self.beside is not None and told["beside"] is None:
            told["beside"] = UNDEFINED
        return told

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "CheckResult":
        """Return the row that `told` has told."""
        numbers = {
            name: {n: float("nan") if v is None else v for n, v in told[name].items()}
            for name in ("metrics", "figures")
        }
        curve = tuple((s, float("nan") if v is None else v) for s, v in told["curve"])
        overrides = tuple(told["overrides"])
        beside = float("nan") if told["beside"] == UNDEFINED else told["beside"]
        others = {"beside": beside, "curve": curve, "overrides": overrides}
        return cls(**{**told, **numbers, **others})


def nothing_bars(model: "ModelUnderTest") -> str:
    """Return no reason: the check applies to whatever is examined."""
    return ""


@dataclass(frozen=True)
class Check:
    """A check of the examination.

    Attributes:
        name: What one asks for: `damage`.
        question: Answered by yes, partly or no.
        conditions: What its rows are, in the plural: `kinds of damage`.
        how: How it is measured, in a few sentences.
        answer: Yields a row per condition for one random seed.
        passes: Tells whether the mean of a condition's rows counts as a yes; None: it is no case.
        bars: Tells why the check does not apply, or returns an empty text.
    """

    name: str
    question: str
    conditions: str
    how: str
    answer: Callable[["ModelUnderTest", "SeedRun"], Iterator[CheckResult]]
    passes: Callable[["CheckSummary", "ModelUnderTest"], bool | None]
    bars: Callable[["ModelUnderTest"], str] = nothing_bars


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value - value != 0:  # NaN and the infinite
        return None
    return value
