"""Read the options of a plugin off its signature: one truth for recipes, help and errors.

The keyword-only arguments of a constructor (or function) are its options. Their annotations give
type and range, their defaults make them optional.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from nca.errors import PluginError
from nca.validation.faults import expected, literal

SETTINGS = ConfigDict(
    extra="forbid",
    strict=True,
    arbitrary_types_allowed=True,
    allow_inf_nan=False,
    protected_namespaces=(),
)
"""As strict as a recipe: no unknown names, no silent conversions, finite numbers alone."""


@cache
def options_of(thing: Callable[..., Any]) -> type[BaseModel]:
    """Return a model with one strict field per keyword-only argument of `thing`.

    Raises:
        PluginError: An annotation cannot be understood, or says what no TOML can hold.
    """
    try:
        model = arguments_of(thing)
        model.model_json_schema()
    except Exception as fault:
        raise PluginError(
            f"the options of {thing.__name__} cannot be read: {str(fault).splitlines()[0]}",
            where=f"{thing.__module__}:{thing.__qualname__}",
            to_do="annotate its keyword-only arguments with what TOML can hold",
        ) from fault
    return model


@cache
def arguments_of(thing: Callable[..., Any]) -> type[BaseModel]:
    """Return the same model for annotations that TOML need not be able to hold."""
    return create_model(thing.__name__, __config__=SETTINGS, **_fields(thing))


def annotations_of(thing: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotation of each keyword-only argument of `thing`."""
    return {name: kind for name, (kind, _) in _fields(thing).items()}


def _fields(thing: Callable[..., Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, argument in inspect.signature(thing, eval_str=True).parameters.items():
        if argument.kind is argument.KEYWORD_ONLY:
            kind = Any if argument.annotation is argument.empty else argument.annotation
            fields[name] = (kind, ... if argument.default is argument.empty else argument.default)
    return fields


def takes_context(thing: Callable[..., Any]) -> bool:
    """Return whether the first argument of `thing` is positional: where it stands."""
    arguments = inspect.signature(thing).parameters.values()
    return any(a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD) for a in arguments)


def summary(thing: Any) -> str:
    """Return the first line of a thing's docstring."""
    return (inspect.getdoc(thing) or "").strip().split("\n")[0]


def describe_options(model: type[BaseModel]) -> dict[str, str]:
    """Return for each field what may stand there, in words: `whole number, at least 1; 24`."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    words = {}
    for name, field in schema.get("properties", {}).items():
        kind = expected(_resolve(field, schema))
        default = field.get("default")
        words[name] = kind if default is None or name in required else f"{kind}; {literal(default)}"
    return words


def _resolve(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = field.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else field
