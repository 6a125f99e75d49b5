"""Turn what is wrong with a recipe into lines that a person can act upon, all at once."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nca.errors import NCAError
from nca.options import described, expected

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a recipe.

    Attributes:
        path: The key's place, such as `("rollout", "fire_rate")` or `("levels", 0, "channels")`.
        what: What is wrong with it.
        to_do: What to do about it.
    """

    path: KeyPath
    what: str
    to_do: str


class RecipeError(NCAError):
    """A recipe has faults; all of them are shown, each with its line.

    Args:
        source: The file or name of the recipe.
        faults: What is wrong.
        text: The recipe's text, to find lines in; empty if there is none.
    """

    def __init__(self, source: str, faults: Sequence[Fault], text: str = "") -> None:
        from nca.toml_lines import lines_of  # a parser that only errors need

        lines = lines_of(text) if text else {}
        rows = sorted(
            ((_nearest(fault.path, lines), _place(fault.path), fault) for fault in faults),
            key=lambda row: row[0],
        )
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        self.faults = [fault for *_, fault in rows]
        super().__init__(
            f"{count} in {source}",
            where="; ".join(place for _, place, _ in rows),
            to_do="; ".join(fault.to_do for *_, fault in rows),
        )
        wide = max((len(place) for _, place, _ in rows), default=0)
        wider = max((len(fault.what) for *_, fault in rows), default=0)
        self._rows = [
            f"  {f'line {line}' if line else 'whole':<9}{place:<{wide}}  {fault.what:<{wider}}  "
            f"{fault.to_do}"
            for line, place, fault in rows
        ]

    def __str__(self) -> str:
        """Return one line per fault under the headline."""
        return "\n".join([self.what, *(row.rstrip() for row in self._rows)])


def faults_of(error: ValidationError, model: type[BaseModel], above: KeyPath = ()) -> list[Fault]:
    """Return a fault for everything that pydantic complains about.

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
    return list(found.values())


def unknown(path: KeyPath, known: Sequence[str], where: str = "") -> Fault:
    """Return the fault of a key that is not known here."""
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    table = where or _table(path[:-1])
    return Fault(path, "unknown key", f"{hint}{table} knows: {', '.join(sorted(known))}")


def _fault(
    path: KeyPath, detail: ErrorDetails, field: dict[str, Any], table: dict[str, Any]
) -> Fault:
    given = _shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return unknown(path, list(table.get("properties", {})))
        case "missing" | "missing_argument":
            return Fault(path, "is missing", f"add it: {path[-1]} = <{expected(field)}>")
        case "recipe":
            return Fault(path, f"is {given}", detail["msg"])
        case _:
            wanted = expected(field)
            need = wanted if wanted != "any value" else detail["msg"]
            return Fault(path, f"is {given}", f"expected: {need}")


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


def _nearest(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _place(path: KeyPath) -> str:
    return f"{_table(path[:-1])} {path[-1]}" if path else "the recipe"


def _table(path: KeyPath) -> str:
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
    return f"[{words}]" if words else "the top"


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = {"True": "true", "False": "false", "None": "empty"}.get(text, text)
    return text if len(text) <= 40 else f"{text[:37]}..."


__all__ = ["Fault", "KeyPath", "RecipeError", "described", "faults_of", "unknown"]
