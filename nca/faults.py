"""Turn what is wrong with a recipe into lines that a person can act upon, all at once."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nca.errors import NCAError
from nca.options import expected
from nca.suggest import did_you_mean

KeyPath = tuple[str | int, ...]

SHOWN = 40
"""Characters of a value that an error shows at most."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a recipe.

    Attributes:
        path: The key's place, such as `("rollout", "fire_rate")` or `("levels", 0, "channels")`.
        what: What is wrong with it.
        to_do: What to do about it.
        line: Where it is, if that does not follow from the path.
    """

    path: KeyPath
    what: str
    to_do: str
    line: int = 0


class RecipeError(NCAError):
    """A recipe has faults; all of them are shown, each with its line.

    Args:
        source: The file or name of the recipe.
        faults: What is wrong.
        text: The recipe's text, to find lines in; empty if there is none.
        overridden: The keys that were set on the command line; they have no line.
    """

    def __init__(
        self,
        source: str,
        faults: Sequence[Fault],
        text: str = "",
        overridden: Collection[KeyPath] = (),
    ) -> None:
        from nca.toml_lines import lines_of  # a parser that only errors need

        lines = lines_of(text) if text else {}
        rows = []
        for fault in faults:
            by_hand = any(_same_branch(fault.path, key, lines) for key in overridden)
            line = 0 if by_hand else fault.line or _nearest(fault.path, lines)
            word = "--set" if by_hand else f"line {line}" if line else "whole"
            rows.append((line, word, place_of(fault.path), fault))
        rows.sort(key=lambda row: row[0])
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        self.faults = [fault for *_, fault in rows]
        super().__init__(
            f"{count} in {source}",
            where="; ".join(place for *_, place, _ in rows),
            to_do="; ".join(fault.to_do for fault in self.faults),
        )
        wide = max((len(place) for *_, place, _ in rows), default=0)
        wider = max((len(fault.what) for fault in self.faults), default=0)
        self._rows = [
            f"  {word:<9}{place:<{wide}}  {fault.what:<{wider}}  {fault.to_do}"
            for _, word, place, fault in rows
        ]

    def __str__(self) -> str:
        """Return one line per fault under the headline."""
        return "\n".join([self.what, *(row.rstrip() for row in self._rows)])


def faults_of(error: ValidationError, model: type[BaseModel], above: KeyPath = ()) -> list[Fault]:
    """Return a fault for everything that pydantic complains about.

    A complaint about a table or list is dropped where there is one about something in it.

    Args:
        error: The complaint.
        model: What was expected.
        above: The path of the table that was checked.
    """
    schema = model.model_json_schema()
    found: dict[KeyPath, Fault] = {}
    for detail in error.errors(include_url=False):
        path, field, table = _walk(detail["loc"], schema)
        fault = _fault((*above, *path), detail, field, table)
        found.setdefault(fault.path, fault)
    return [fault for path, fault in found.items() if not _holds_another(path, found)]


def strange(value: Any, path: KeyPath = ()) -> list[Fault]:
    """Return the faults of values that TOML knows and recipes have no use for."""
    if isinstance(value, dict):
        return [fault for key, item in value.items() for fault in strange(item, (*path, key))]
    if isinstance(value, list):
        return [fault for i, item in enumerate(value) for fault in strange(item, (*path, i))]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return [Fault(path, "is out of range", "a whole number has at most 18 digits")]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return [Fault(path, f"is {value}", "expected: a number that is finite")]
    if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
        return [Fault(path, f"is {shown(value)}", "leave out what is no character")]
    if not isinstance(value, bool | int | float | str):
        return [Fault(path, "is a date or time", f'expected: something else; text is "{value}"')]
    return []


def depth(value: Any) -> int:
    """Return how deep tables and lists are nested in a value."""
    deepest, level = 0, [value]
    while level:
        items = [list(v.values()) if isinstance(v, dict) else v for v in level]
        level = [item for v in items if isinstance(v, list) for item in v]
        deepest += 1
    return deepest


def unknown(path: KeyPath, known: Sequence[str]) -> Fault:
    """Return the fault of a key that is not known here."""
    hint = did_you_mean(str(path[-1]), known)
    table = _table(path[:-1]) or "a recipe"
    return Fault(path, "unknown key", f"{hint}{table} knows: {', '.join(sorted(known))}")


def place_of(path: KeyPath) -> str:
    """Return the place of a key in words: `[rollout] steps`, `[levels[0]] rules[1]`."""
    if not path:
        return "the recipe"
    cut = len(path)
    while cut > 1 and isinstance(path[cut - 1], int):
        cut -= 1
    numbers = "".join(f"[{number}]" for number in path[cut:])
    return f"{_table(path[: cut - 1])} {_bare(path[cut - 1])}{numbers}".lstrip()


def shown(value: Any) -> str:
    """Return a value as TOML would have it, on one line and not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _fault(
    path: KeyPath, detail: ErrorDetails, field: dict[str, Any], table: dict[str, Any]
) -> Fault:
    given = shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return unknown(path, list(table.get("properties", {})))
        case "missing" if isinstance(path[-1], int):  # a list that is too short
            return Fault(path[:-1], f"is {given}", f"expected: {expected(table)}")
        case "missing" | "missing_argument":
            return Fault(path, "is missing", f"add it: {_sample(path, field)}")
        case "recipe":
            return Fault(path, f"is {given}", detail["msg"])
        case _:
            wanted = expected(field)
            need = wanted if wanted != "any value" else detail["msg"]
            return Fault(path, f"is {given}", f"expected: {need}")


def _sample(path: KeyPath, field: dict[str, Any]) -> str:
    """Return what a missing key looks like."""
    kind = expected(field)
    if kind == "table" and len(path) == 1:
        return f"[{path[0]}]"
    return f"[[{path[0]}]]" if kind.startswith("list of tables") else f"{path[-1]} = <{kind}>"


def _walk(
    location: Sequence[str | int], schema: dict[str, Any]
) -> tuple[KeyPath, dict[str, Any], dict[str, Any]]:
    """Follow a location through the schema; leave out the names of union branches."""
    field, table, path = schema, schema, []
    for part in location:
        field = _resolved(field, schema)
        table = field
        if isinstance(part, int) and (items := field.get("items") or field.get("prefixItems")):
            field = items[min(part, len(items) - 1)] if isinstance(items, list) else items
            path.append(part)
        elif isinstance(part, str) and part in field.get("properties", {}):
            field = field["properties"][part]
            path.append(part)
        elif "properties" in field or isinstance(part, int):
            path.append(part)
            field = {}
    return tuple(path), _resolved(field, schema), _resolved(table, schema)


def _resolved(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in field:
        return schema["$defs"][field["$ref"].rpartition("/")[2]]
    real = [branch for branch in field.get("anyOf", []) if branch.get("type") != "null"]
    return _resolved(real[0], schema) if len(real) == 1 else field


def _holds_another(path: KeyPath, paths: Collection[KeyPath]) -> bool:
    return any(len(path) < len(other) and other[: len(path)] == path for other in paths)


def _same_branch(path: KeyPath, key: KeyPath, lines: Mapping[KeyPath, int]) -> bool:
    """Tell whether a path lies in an overridden key, or in a table that only it has made."""
    return path[: len(key)] == key or (path not in lines and key[: len(path)] == path != ())


def _nearest(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _table(path: KeyPath) -> str:
    words = ""
    for part in path:
        dot = "." if words else ""
        words += f"[{part}]" if isinstance(part, int) else f"{dot}{_bare(part)}"
    return f"[{words}]" if words else ""


def _bare(key: str | int) -> str:
    return str(key) if re.fullmatch("[A-Za-z0-9_-]+", str(key)) else shown(key)
