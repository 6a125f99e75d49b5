"""What is wrong with a value, in words: the same sentences for recipes and for Python."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import ErrorDetails

from nca.errors import NCAError
from nca.suggest import did_you_mean, listed

KeyPath = tuple[str | int, ...]


HUGE = 10_000
"""An upper limit from here on is said only where it is exceeded."""

MANY = 100
"""Levels, rules of a level, skips, drops and the like: so many at most."""

SHOWN = 40
"""Characters of a value that an error shows at most."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a recipe, or with the arguments of a call.

    Attributes:
        path: The key's place, such as `("rollout", "fire_rate")` or `("levels", 0, "channels")`.
        what: What is wrong with it.
        to_do: What to do about it.
        line: Where it is, if that does not follow from the path.
        others: Other keys without whose values it would be fine.
        of_recipe: Whether the path starts at the recipe even where a rule or task has found it, and
            not at their own options.
    """

    path: KeyPath
    what: str
    to_do: str
    line: int = 0
    others: tuple[KeyPath, ...] = ()
    of_recipe: bool = False

    def placed(self, table: KeyPath) -> "Fault":
        """Return the fault that a rule or task has found, at its place in the recipe.

        Args:
            table: The table of that rule or task.
        """
        return self if self.of_recipe else replace(self, path=(*table, *self.path))

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{place_of(self.path)} {self.what}: {self.to_do}"


class OptionError(NCAError, ValueError):
    """An argument has a value that a recipe would refuse.

    Args:
        faults: What is wrong; the first part of a path is the argument.
        where: The call.
    """

    def __init__(self, faults: Sequence[Fault], where: str) -> None:
        words = [f"{place_of(fault.path)} {fault.what}" for fault in faults]
        to_do = "; ".join(fault.to_do for fault in faults)
        super().__init__(f"{'; '.join(words)}.", where=where, to_do=to_do)
        self.faults = list(faults)


def refuse(faults: Iterable[Fault], where: str) -> None:
    """Raise what is wrong, if anything is.

    Raises:
        OptionError: There are faults.
    """
    if found := list(faults):
        raise OptionError(found, where)


def faults_of(error: ValidationError, model: type[BaseModel], above: KeyPath = ()) -> list[Fault]:
    """Return a fault for everything that pydantic complains about.

    A complaint about a table or list is dropped where there is one about something in it.

    Args:
        error: The complaint.
        model: What was expected.
        above: The path of the table that was checked.
    """
    schema = model.model_json_schema(schema_generator=_Schema)
    found: dict[KeyPath, Fault] = {}
    for detail in error.errors(include_url=False):
        path, field, table = _walk(detail["loc"], schema)
        for fault in _faults((*above, *path), detail, field, table):
            found.setdefault(fault.path, fault)
    return [fault for path, fault in found.items() if not _holds_another(path, found)]


def strange(value: Any, path: KeyPath = ()) -> list[Fault]:
    """Return the faults of values that TOML knows and recipes have no use for."""
    if isinstance(value, dict):
        return [fault for key, item in value.items() for fault in strange(item, (*path, key))]
    if isinstance(value, list | tuple):
        return [fault for i, item in enumerate(value) for fault in strange(item, (*path, i))]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return [Fault(path, "is out of range", "a whole number has at most 18 digits")]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return [Fault(path, f"is {value}", "expected: a number that is finite")]
    if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
        return [Fault(path, f"is {toml_value(value)}", "leave out what is no character")]
    if hasattr(value, "isoformat"):
        return [Fault(path, "is a date or time", f'expected: something else; text is "{value}"')]
    return []


def unknown(path: KeyPath, known: Sequence[str]) -> Fault:
    """Return the fault of a key that is not known here."""
    hint = did_you_mean(str(path[-1]), known)
    table = _table(path[:-1]) or "a recipe"
    return Fault(path, "unknown key", f"{hint}{table} knows: {', '.join(sorted(known))}")


def choose_among(name: str, known: Sequence[str]) -> str:
    """Return what to do about a name that is not among those known."""
    return f"{did_you_mean(name, known)}choose among: {listed(known)}"


def place_of(path: KeyPath) -> str:
    """Return the place of a key in words: `[rollout] steps`, `[levels[0]] rules[1]`."""
    if not path:
        return "the recipe"
    cut = len(path)
    while cut > 1 and isinstance(path[cut - 1], int):
        cut -= 1
    numbers = "".join(f"[{number}]" for number in path[cut:])
    return f"{_table(path[: cut - 1])} {_bare(path[cut - 1])}{numbers}".lstrip()


def toml_value(value: Any) -> str:
    """Return a value as TOML would have it, on one line and not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


NOUNS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
    "object": "table",
}
"""What the types of JSON schema are called here."""


def literal(value: Any) -> str:
    """Return a value as JSON would have it."""
    return json.dumps(value, ensure_ascii=False)


def expected(field: dict[str, Any]) -> str:
    """Return what a JSON-schema field accepts, in words."""
    if "enum" in field or "const" in field:
        return " | ".join(literal(value) for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        branches = [branch for branch in field["anyOf"] if branch.get("type") != "null"]
        return " or ".join(expected(branch) for branch in branches)
    if "$ref" in field:
        return "table"
    noun = NOUNS.get(field.get("type", ""), "any value")
    if noun == "list":
        return _list(field)
    if "pattern" in field:
        return field.get("description") or f"text that matches {field['pattern']}"
    return f"{noun}{_range(field)}"


class _Schema(GenerateJsonSchema):
    """A JSON schema in which what JSON cannot hold may be any value, and no default is named."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"non-serializable-default"}  # noqa: RUF012

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


def _faults(
    path: KeyPath, detail: ErrorDetails, field: dict[str, Any], table: dict[str, Any]
) -> Iterator[Fault]:
    refused = detail.get("ctx", {}).get("error")
    if isinstance(refused, OptionError):  # values that are fine alone, but not together
        yield from (replace(fault, path=(*path, *fault.path)) for fault in refused.faults)
    else:
        yield _fault(path, detail, field, table)


def _fault(
    path: KeyPath, detail: ErrorDetails, field: dict[str, Any], table: dict[str, Any]
) -> Fault:
    given = toml_value(detail["input"])
    match detail["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return unknown(path, list(table.get("properties", {})))
        case "union_tag_not_found" | "union_tag_invalid":
            return _kind_fault((*path, field["discriminator"]["propertyName"]), detail, field)
        case "missing" if isinstance(path[-1], int):  # a list that is too short
            return Fault(path[:-1], f"is {given}", f"expected: {expected(table)}")
        case "missing" | "missing_argument":
            return Fault(path, "is missing", f"add it: {_sample(path, field)}")
        case "recipe":
            return Fault(path, f"is {given}", detail["msg"])
        case "literal_error":
            hint = did_you_mean(str(detail["input"]), list(map(str, field.get("enum", ()))))
            return Fault(path, f"is {given}", f"{hint}expected: {expected(field)}")
        case "too_long" if (limit := detail.get("ctx", {}).get("max_length", 0)) >= MANY:
            return Fault(path, "is too long", f"expected: at most {limit:,}")
        case "less_than_equal" if (limit := detail.get("ctx", {}).get("le", 0)) >= HUGE:
            return Fault(path, f"is {given}", f"expected: at most {limit:,}")
        case "dataclass_type" | "dataclass_exact_type" if "instance of" in detail["msg"]:
            return Fault(path, f"is {given}", f"expected: {detail['msg'].rpartition(' ')[2]}")
        case _:
            wanted = expected(field)
            need = wanted if wanted != "any value" else detail["msg"]
            return Fault(path, f"is {given}", f"expected: {need}")


def _kind_fault(path: KeyPath, detail: ErrorDetails, field: dict[str, Any]) -> Fault:
    """Return the fault of a table whose kind is missing or unknown."""
    known = sorted(field["discriminator"]["mapping"])
    wanted = " | ".join(map(literal, known))
    if detail["type"] == "union_tag_not_found":
        return Fault(path, "is missing", f"add it: {path[-1]} = <{wanted}>")
    tag = detail["input"][path[-1]]
    hint = did_you_mean(str(tag), known)
    return Fault(path, f"is {toml_value(tag)}", f"{hint}expected: {wanted}")


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
        tagged = field.get("discriminator", {}).get("mapping", {})
        if part in tagged:  # the branch of a table of several kinds
            field = {"$ref": tagged[part]}
        elif isinstance(part, int) and (items := field.get("items") or field.get("prefixItems")):
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


def _table(path: KeyPath) -> str:
    words = ""
    for part in path:
        dot = "." if words else ""
        words += f"[{part}]" if isinstance(part, int) else f"{dot}{_bare(part)}"
    return f"[{words}]" if words else ""


def _bare(key: str | int) -> str:
    return str(key) if re.fullmatch("[A-Za-z0-9_-]{1,80}", str(key)) else toml_value(key)


def _list(field: dict[str, Any]) -> str:
    items = field.get("items") or (field.get("prefixItems") or [{}])[0]
    low, high = field.get("minItems", 0), field.get("maxItems")
    each = expected(items) if isinstance(items, dict) else "any value"
    if each == "table":
        return "list of tables, at least one" if low else "list of tables"
    count = f"list of {low}" if low == high else f"list of {low} to {high}" if high else "list"
    return count if each == "any value" else f"{count}, each: {each}"


def _range(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    high = None if high is not None and high >= HUGE else high
    above, below = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    limits = {"at least": low, "above": above, "at most": high, "below": below}
    words = [f"{word} {limit:g}" for word, limit in limits.items() if limit is not None]
    return ", " * bool(words) + " and ".join(words)
