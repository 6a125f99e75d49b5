"""Read the options of a plugin off its signature: one truth for recipes, help and errors.

The keyword-only arguments of a constructor (or function) are its options. Their annotations give
type and range, their defaults make them optional.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model


@cache
def options_of(thing: Callable[..., Any]) -> type[BaseModel]:
    """Return a model with one strict field per keyword-only argument of `thing`."""
    fields: dict[str, Any] = {}
    for name, argument in inspect.signature(thing, eval_str=True).parameters.items():
        if argument.kind is argument.KEYWORD_ONLY:
            kind = Any if argument.annotation is argument.empty else argument.annotation
            fields[name] = (kind, ... if argument.default is argument.empty else argument.default)
    settings = ConfigDict(
        extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )
    return create_model(thing.__name__, __config__=settings, **fields)


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
        words[name] = kind if name in required else f"{kind}; {_literal(field.get('default'))}"
    return words


def expected(field: dict[str, Any]) -> str:
    """Return what a JSON-schema field accepts, in words."""
    if "enum" in field or "const" in field:
        return " | ".join(_literal(value) for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(expected(branch) for branch in field["anyOf"])
    nouns = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "array": "list",
        "object": "table",
        "null": "nothing",
    }
    noun = nouns.get(field.get("type", ""), "any value")
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    if low is not None:
        return f"{noun}, at least {low:g}"
    if "exclusiveMinimum" in field:
        return f"{noun} above {field['exclusiveMinimum']:g}"
    if high is not None:
        return f"{noun}, at most {high:g}"
    return noun


def _resolve(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = field.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else field


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
