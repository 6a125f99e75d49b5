"""A recipe's text, decoded; what would take a parser long is refused before one sees it."""

import re
import tomllib
from typing import Any

from nca.recipe.errors import RecipeError, depth
from nca.validation.faults import Fault

LARGEST = 1 << 20
"""Bytes of a recipe; those that come along have 4,000."""

ENTRIES = 5_000
"""Values, items of lists and tables."""

LONGEST = 1000
"""Characters of a key or number."""

DEEPEST = 20
"""How deep tables and lists may be nested, and how many names a dotted key has."""

_QUOTED = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"""|' + r"'''(?:[^']|'(?!''))*+'''|"
    r'"(?:[^"\\\n]|\\.)*+"|' + r"'[^'\n]*+'|#[^\n]*+",
    re.DOTALL,
)
_RUNS = re.compile(r"[\w.\- \t]++")


def decode_toml(text: str, source: str) -> dict[str, Any]:
    """Return the tables of a text.

    Raises:
        RecipeError: It is no TOML, or larger, deeper or fuller than any recipe.
    """
    if too_much := oversized(text):
        raise RecipeError(source, [too_much])
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as fault:
        deep = isinstance(fault, RecursionError)
        words = "it is nested too deep" if deep else str(fault).partition(" (at ")[0]
        place = re.search(r"\(at line (\d+)", str(fault))
        line = int(place[1]) if place else text.count("\n") + 1
        raise RecipeError(source, [Fault((), "is no TOML", words, line)]) from None
    if depth(tables) > DEEPEST:
        raise RecipeError(source, [Fault((), "is nested too deep", "flatten its tables")])
    return tables


def oversized(text: str) -> Fault | None:
    """Return the fault of a text that is no recipe by its size alone, or None."""
    if len(text) > LARGEST:
        words = f"a recipe has at most {LARGEST:,} characters"
        return Fault((), f"has {len(text):,} characters", words)
    bare = _QUOTED.sub(_emptied, text)
    entries = sum(map(bare.count, "=,[{"))
    if entries > ENTRIES:
        words = f"a recipe has at most {ENTRIES:,} values, items and tables"
        return Fault((), f"has {entries:,}", words)
    for found in _RUNS.finditer(bare):
        line = bare.count("\n", 0, found.start()) + 1
        if found[0].count(".") > DEEPEST:
            words = f"a dotted key has at most {DEEPEST} names"
            return Fault((), "is nested too deep", words, line)
        if len(found[0].strip()) > LONGEST:
            words = f"a key or number has at most {LONGEST:,}"
            return Fault((), f"has a word of {len(found[0].strip()):,} characters", words, line)
    return None


def _emptied(found: re.Match[str]) -> str:
    """Return a comment without its text; of a string one letter, and its lines."""
    lines = "\n" * found[0].count("\n")
    return lines if found[0].startswith("#") else f"q{lines}"
