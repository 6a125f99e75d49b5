"""Numbers on the command line: each has a least and a greatest value, and is one."""

import math
from typing import Any

import typer

STEPS, SAMPLES, SEEDS, THREADS = 10**6, 10**7, 10_000, 1024
RANDOM_SEED = 2**63 - 1


def number(option: str, least: float, most: float, help: str, **more: Any) -> Any:
    """Return an option that takes numbers from `least` to `most`.

    Args:
        option: What it is called: `--steps`.
        least: The least number that is taken.
        most: The greatest number that is taken.
        help: What it means.
        more: As of `typer.Option`.
    """
    return typer.Option(option, min=least, max=most, help=help, callback=_finite, **more)


def _finite(value: Any) -> Any:
    """Refuse what is no number, which no comparison finds out of range."""
    for each in value if isinstance(value, list | tuple) else (value,):
        if isinstance(each, float) and not math.isfinite(each):
            raise typer.BadParameter(f"{each} is no number")
    return value
