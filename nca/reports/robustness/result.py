"""Results of one random seed under one condition, as records that JSON can hold."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Self, TypeAlias

from annotated_types import Le
from pydantic import BaseModel, ConfigDict, TypeAdapter

from nca.jsonl import dumps
from nca.reports.numbers import null_if_nan
from nca.types import Fraction, Natural

_Step: TypeAlias = Annotated[Natural, Le(2**53)]


@dataclass(frozen=True)
class Condition(ABC):
    """What a check changes. Its fields are what JSON holds; `str` says them in words."""

    @abstractmethod
    def __str__(self) -> str:
        """Return the condition in words."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return null_if_nan(asdict(self))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the condition that `to_json` has made the fields of.

        Raises:
            ValueError: They are others.
        """
        return TypeAdapter(cls).validate_json(dumps(fields), strict=True)


@dataclass(frozen=True)
class CheckResult:
    """What one random seed gives under one condition.

    Attributes:
        condition: What was changed.
        steps: When it was measured.
        metrics: The task's metrics over the samples of the random seed; NaN: undefined.
        unchanged: The headline without the change; None where it is compared with nothing.
        figures: What else was measured, by name; NaN: undefined.
        exploded: Share of the samples that left all bounds.
        exploded_at: The first step at which one of them did.
        curve: Pairs of step and headline, where the way there matters.
        overrides: How to set the condition in the recipe; empty where it is no such thing.
        barred: Why it could not be measured; empty where it was.
    """

    condition: Condition
    steps: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    unchanged: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    exploded: float = 0.0
    exploded_at: int | None = None
    curve: tuple[tuple[int, float], ...] = ()
    overrides: tuple[str, ...] = ()
    barred: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the result for JSON: NaN as null, and no `unchanged` where there is none."""
        record = null_if_nan(asdict(self))
        if self.unchanged is None:
            del record["unchanged"]
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any], kind: type[Condition]) -> "CheckResult":
        """Return the result that `to_json` has made a record of.

        Args:
            record: As JSON gives it back.
            kind: Of its condition.

        Raises:
            ValueError: It is none: a value is missing, of another type or out of range.
        """
        _CachedRecord.model_validate_json(dumps(record))
        read: dict[str, Any] = {
            name: {n: _number(value) for n, value in record[name].items()}
            for name in ("metrics", "figures")
        }
        read["condition"] = kind.from_json(record["condition"])
        read["curve"] = tuple((step, _number(value)) for step, value in record["curve"])
        read["overrides"] = tuple(record["overrides"])
        if "unchanged" in record:
            read["unchanged"] = _number(record["unchanged"])
        return cls(**{**record, **read})


class _CachedRecord(BaseModel):
    """What a result is in JSON; its condition is checked by its own kind."""

    model_config = ConfigDict(strict=True, extra="forbid")

    condition: dict[str, Any]
    steps: _Step
    metrics: dict[str, float | None]
    unchanged: float | None = None
    figures: dict[str, float | None]
    exploded: Fraction
    exploded_at: _Step | None
    curve: tuple[tuple[_Step, float | None], ...]
    overrides: tuple[str, ...]
    barred: str


def _number(value: float | None) -> float:
    return math.nan if value is None else value
