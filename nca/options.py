"""Read the options of a plugin off its signature: one truth for recipes, help and errors.

The keyword-only arguments of a constructor (or function) are its options. Their annotations give
type and range, their defaults make them optional.
"""

import inspect
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from nca.errors import PluginError


@cache
def options_of(thing: Callable[..., Any]) -> type[BaseModel]:
    """Return a model with one strict field per keyword-only argument of `thing`.

    Raises:
        PluginError: An annotation cannot be understood, or says what no TOML can hold.
    """
    settings = ConfigDict(
        extra="forbid",
        strict=True,
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )
    try:
        model = create_model(thing.__name__, __config__=settings, **_fields(thing))
        model.model_json_schema()
    except Exception as fault:
        raise PluginError(
            f"the options of {thing.__name__} cannot be read: {str(fault).splitlines()[0]}",
            where=f"{thing.__module__}:{thing.__qualname__}",
            to_do="annotate its keyword-only arguments with what TOML can hold",
        ) from fault
    return model


def _fields(thing: Callable[..., Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, argument in inspect.signature(thing, eval_str=True).parameters.items():
        if argument.kind is argument.KEYWORD_ONLY:
            kind = Any if argument.annotation is argument.empty else argument.annotation
            fields[name] = (kind, ... if argument.default is argument.empty else argument.default)
    return fields


def takes_place(thing: Callable[..., Any]) -> bool:
    """Tell whether the first argument of `thing` is positional: where it stands."""
    arguments = inspect.signature(thing).parameters.values()
    return any(a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD) for a in arguments)


def summary(thing: Any) -> str:
    """Return the first line of a thing's docstring."""
    return (inspect.getdoc(thing) or "").strip().split("\n")[0]


def described(model: type[BaseModel]) -> dict[str, str]:
    """Return for each field what may stand there, in words: `whole number, at least 1; 24`."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    words = {}
    for name, field in schema.get("properties", {}).items():
        kind = expected(_resolve(field, schema))
        default = field.get("default")
        words[name] = (
            kind if default is None or name in required else f"{kind}; {_literal(default)}"
        )
    return words


NOUNS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
    "object": "table",
}
"""What the types of JSON schema are called here."""


def expected(field: dict[str, Any]) -> str:
    """Return what a JSON-schema field accepts, in words."""
    if "enum" in field or "const" in field:
        return " | ".join(_literal(value) for value in field.get("enum", [field.get("const")]))
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
    above, below = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    limits = {"at least": low, "above": above, "at most": high, "below": below}
    words = [f"{word} {limit:g}" for word, limit in limits.items() if limit is not None]
    return ", " * bool(words) + " and ".join(words)


def _resolve(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = field.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else field


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
