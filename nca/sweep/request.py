"""The request of a sweep as the command line gives it: values, random seeds, variants."""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nca.errors import NCAError
from nca.files import read_text_bounded
from nca.sweep.errors import SweepError, SweepFault
from nca.validation.faults import toml_value

LARGEST = 1 << 20
"""Bytes of a file of variants."""
MOST_RUNS = 10_000
"""Of a sweep; more could not even be listed."""

OPEN, CLOSED = "[{(", "]})"
SEEDS = "give how many, --seeds 3, or which: --seeds 4,7 or --seeds [7]"


@dataclass(frozen=True)
class Variant:
    """One of the things that a sweep tries in the same place.

    Attributes:
        title: What tables call it.
        overrides: `table.key=value`, in the order in which they are written.
        folder: Where the relative paths in them start; None: where the command was typed.
    """

    title: str
    overrides: tuple[str, ...]
    folder: Path | None = field(default=None, compare=False)


@dataclass
class SweepRequest:
    """What the options ask for, and what is wrong with them.

    Attributes:
        axes: For each axis the choices on it; a combination takes one of each.
        complaints: What is wrong.
    """

    axes: list[list[Variant]] = field(default_factory=list)
    complaints: list[SweepFault] = field(default_factory=list)

    def complain(self, where: str, what: str, to_do: str) -> None:
        """Note what is wrong."""
        self.complaints.append(SweepFault(where, what, to_do))


def check_number(axes: Sequence[Sequence[Variant]], seeds_given: int, drawn: int | None) -> None:
    """Refuse a sweep of more runs than anybody trains, before its combinations are listed.

    Args:
        axes: For each axis the choices on it.
        seeds_given: How many random seeds; 0: the recipe's own.
        drawn: How many combinations are drawn at random; None: all of them.

    Raises:
        SweepError: There are more than `MOST_RUNS`.
    """
    count = math.prod(len(choices) for choices in axes)
    runs = min(count, drawn or count) * max(1, seeds_given)
    if runs > MOST_RUNS:
        to_do = "give fewer values or random seeds, or draw some combinations: --random 20"
        what = f"would be {runs:,} runs; a sweep has at most {MOST_RUNS:,}."
        fault = SweepFault(f"{count:,} combinations", what, to_do)
        raise SweepError("the sweep cannot be planned.", [fault])


def parse_request(
    over: Sequence[str], variants: Sequence[str], file: Path | None, seeds_given: str | None
) -> tuple[list[list[Variant]], tuple[int, ...]]:
    """Return axes and random seeds as the options give them; no random seeds: the recipe's own.

    Args:
        over: Each `table.key=value,value`.
        variants: Each `title: table.key=value; table.key=value`.
        file: A file of variants, if there is one.
        seeds_given: How many random seeds, or which.

    Raises:
        SweepError: Everything that is wrong with them.
    """
    request = SweepRequest()
    named = [variant(given, request) for given in variants]
    named += read_variants(file, request) if file else []
    titles = [choice.title for choice in named]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        request.complain(title, "two variants have this title.", "give each its own")
    if named:
        request.axes.append(named)
    found = [axis(given, request) for given in over]
    keys = [key for key, _ in found]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        request.complain(f"--over {key}", "is given twice.", "give all its values at once")
    for key, values in found:
        short = key.rpartition(".")[2]
        alone = sum(other.rpartition(".")[2] == short for other in keys) == 1
        word = short if alone and not short.isdigit() else key
        request.axes.append([Variant(f"{word}={value}", (f"{key}={value}",)) for value in values])
    numbers = seeds(seeds_given, request) if seeds_given is not None else ()
    if request.complaints:
        raise SweepError("the sweep cannot be planned.", request.complaints)
    return request.axes, numbers


def pieces(text: str, mark: str = ",") -> list[str]:
    """Split a text at each mark outside brackets, braces and quotes.

    Raises:
        ValueError: A bracket or quote is not closed, or closed twice.
    """
    found, start, depth, quote, before = [], 0, 0, "", " "
    for place, sign in enumerate(text):
        if quote:  # a backslash keeps its neighbour, but not between single quotes
            if before == "\\" and quote == '"':
                sign = " "
            elif sign == quote:
                quote = ""
        elif sign in "'\"" and not before.isalnum():
            quote = sign
        elif sign in OPEN:
            depth += 1
        elif sign in CLOSED:
            depth -= 1
        elif sign == mark and depth == 0:
            found.append(text[start:place])
            start = place + 1
        if depth < 0:
            break
        before = sign
    if depth or quote:
        raise ValueError("a bracket or quote is not closed, or closed twice")
    return [piece.strip() for piece in (*found, text[start:])]


def axis(given: str, request: SweepRequest) -> tuple[str, list[str]]:
    """Return key and values of `table.key=value,value`; note what is wrong."""
    where, sample = f"--over {given}", "write --over table.key=value,value"
    key, equals, rest = given.partition("=")
    key = key.strip()
    if not equals or not key:
        request.complain(where, "names no key with values.", sample)
        return key, []
    try:
        values = pieces(rest)
    except ValueError as fault:
        request.complain(where, f"{fault}.", "mind the shell, and quote the whole: --over '...'")
        return key, []
    if not all(values):
        request.complain(where, "a value is empty.", sample)
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        request.complain(where, f"{', '.join(twice)} is there twice.", "give each value once")
    if key == "random_seed":
        request.complain(where, "random seeds are no axis, but what is averaged over.", SEEDS)
    return key, values


def seeds(text: str, request: SweepRequest) -> tuple[int, ...]:
    """Return random seeds: `3` are the first three from 0; `4,7` and `[7]` are themselves."""
    words = [word.strip() for word in text.strip().removeprefix("[").removesuffix("]").split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
        request.complain(f"--seeds {text}", "random seeds are whole numbers from 0.", SEEDS)
        return ()
    numbers = tuple(int(word) for word in words)
    if len(numbers) == 1 and "[" not in text:
        if numbers[0] > MOST_RUNS:
            request.complain(f"--seeds {text}", f"are more than {MOST_RUNS:,} runs.", SEEDS)
            return ()
        numbers = tuple(range(numbers[0]))
    if not numbers or len(set(numbers)) < len(numbers):
        request.complain(f"--seeds {text}", "gives none, or one twice.", SEEDS)
    return numbers


def variant(given: str, request: SweepRequest) -> Variant:
    """Return the variant that `title: table.key=value; table.key=value` describes."""
    title, colon, rest = given.partition(":")
    where, overrides = f"--variant {given}", []
    try:
        overrides = [piece for piece in pieces(rest, ";") if piece]
    except ValueError as fault:
        request.complain(where, f"{fault}.", "mind the shell, and quote the whole: --variant '...'")
    if not colon or not title.strip():
        request.complain(where, "has no title.", "write --variant 'title: table.key=value; ...'")
    return _variant(title.strip(), overrides, where, request)


def read_variants(path: Path, request: SweepRequest) -> list[Variant]:
    """Read a file of variants: a table for each, with `title` and `set`.

    Args:
        path: TOML: `[name]`, then `title = "..."` (the name without it) and
            `set = ["table.key=value", ...]`; an empty list is the recipe as it is. Relative paths
            start at the file's folder.
        request: Where faults are noted.
    """
    try:
        tables = tomllib.loads(read_text_bounded(path, LARGEST, "the file of variants"))
    except NCAError as fault:
        request.complain(fault.where, fault.what, fault.to_do)
        return []
    except (ValueError, RecursionError) as fault:
        words = f"the file of variants is no TOML: {str(fault) or 'it is nested too deep'}."
        request.complain(str(path), words, "correct the file, or name another")
        return []
    if not tables:
        request.complain(str(path), "there is no variant in it.", "add [name] with set = [...]")
    return [_from_table(name, table, path, request) for name, table in tables.items()]


def _from_table(name: str, table: Any, path: Path, request: SweepRequest) -> Variant:
    where, sample = f"{path} [{name}]", 'write set = ["table.key=value"], and perhaps title = "..."'
    if not isinstance(table, dict):
        request.complain(where, f"is {toml_value(table)}, but a variant is a table.", sample)
        return Variant(name, ())
    for key in sorted(set(table) - {"title", "set"}):
        request.complain(where, f"unknown key {toml_value(key)}.", sample)
    title, overrides = table.get("title", name), table.get("set")
    if not isinstance(title, str) or not title.strip():
        request.complain(where, f"its title is {toml_value(title)}.", sample)
    if not isinstance(overrides, list) or not all(isinstance(each, str) for each in overrides):
        request.complain(where, "set is no list of texts.", sample)
        overrides = []
    return replace(_variant(str(title), overrides, where, request), folder=path.parent)


def _variant(title: str, overrides: list[str], where: str, request: SweepRequest) -> Variant:
    if any(sets_random_seed(override) for override in overrides):
        request.complain(where, "random seeds are no variant, but what is averaged over.", SEEDS)
    return Variant(title, tuple(overrides))


def sets_random_seed(override: str) -> bool:
    """Tell whether an override is one of the random seed."""
    return override.partition("=")[0].strip() == "random_seed"
