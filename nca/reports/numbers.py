"""Number format of all reports, in text and in JSON."""

import math
from collections.abc import Mapping
from typing import Any

from nca.reports.statistics import Statistics

NONE = "n/a"
"""What stands for a number that is not there: NaN, the infinite, or none at all."""


def format_number(value: float | None, *, signed: bool = False) -> str:
    """Return a number with about three digits that count.

    Args:
        value: NaN, the infinite and None are written as `NONE`.
        signed: Whether a positive number shall have its sign.
    """
    if value is None or not math.isfinite(value):
        return NONE
    size, sign = abs(value), "+" if signed and value else ""
    if value == round(value) and size < 1e5:
        return f"{value + 0.0:{sign},.0f}"  # no -0
    if size >= 1e5 or size < 1e-4:
        return f"{value:{sign}.1e}"
    if size < 0.1:
        return f"{value:{sign}.3g}"
    return f"{value:{sign},.{0 if size >= 100 else 1 if size >= 10 else 3}f}"


def format_share(value: float) -> str:
    """Return a share in per cent."""
    return f"{format_number(100 * value)} %" if math.isfinite(value) else NONE


def with_deviation(one: Statistics | None) -> str:
    """Return a mean ± the standard deviation, both without what rounding has left over."""
    if one is None or not one.known:
        return NONE
    one = one.without_rounding
    return format_number(one.mean) + f" ± {format_number(one.deviation)}" * (one.known > 1)


def with_interval(one: Statistics | None) -> str:
    """Return a mean and its interval in brackets."""
    if one is None or not one.known:
        return NONE
    ends = f" [{format_number(one.low)}, {format_number(one.high)}]" * (one.known > 1)
    return format_number(one.mean) + ends


def null_if_nan(value: Any) -> Any:
    """Return a value as JSON has it: keys of text, and null for what is no finite number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): null_if_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [null_if_nan(inner) for inner in value]
    return value
