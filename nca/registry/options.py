"""Data sets, targets and importers with options of their own, as rules and tasks have them.

Where a recipe names one, a name alone will do, or a table of its name and options: the
keyword-only arguments of its constructor or function.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from nca.errors import PluginError
from nca.files import user_path
from nca.jsonl import dumps
from nca.recipe.paths import marked
from nca.registry.registry import Kind, registry
from nca.types import OutsideFile
from nca.validation.arguments import annotations_of, options_of
from nca.validation.faults import Fault, KeyPath, OptionError, choose_among, faults_of, toml_value


def named_parts(kind: Kind, given: str | Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of what names a plugin.

    Args:
        kind: A data set, say.
        given: Its name, or a table of name and options.
        key: The option that names it.

    Raises:
        OptionError: The table has no name, or one that nothing is registered under.
    """
    if isinstance(given, str):
        return given, {}
    options = deepcopy(dict(given))
    faults = nameless(kind, options, (key,))
    name = str(options.pop("name", ""))
    if not faults and name not in (known := registry.names(kind)):
        faults = [Fault((key, "name"), f"no {kind} {toml_value(name)}", choose_among(name, known))]
    if faults:
        raise OptionError(faults, f"{key} = {toml_value(given)}")
    return name, options


def nameless(kind: Kind, table: Mapping[str, Any], path: KeyPath) -> list[Fault]:
    """Return the fault of a table that names no plugin.

    Args:
        kind: What it should name.
        table: Its name and options.
        path: Its place.
    """
    if isinstance(name := table.get("name"), str) and name:
        return []
    what = f"is {toml_value(name)}" if "name" in table else "is missing"
    return [Fault((*path, "name"), what, choose_among(str(name), registry.names(kind)))]


def options_model(kind: Kind, thing: Callable[..., Any]) -> type[BaseModel]:
    """Return the schema of a plugin's options in a table.

    Raises:
        PluginError: They cannot be read.
    """
    return _with_argument(options_of(thing)) if kind == "target" else options_of(thing)


def plugin_options(
    kind: Kind,
    name: str,
    options: Mapping[str, Any],
    path: KeyPath,
    place: Callable[[str, OutsideFile], Path] | None = None,
) -> dict[str, Any]:
    """Return the options of a plugin, defaults included, with its paths from the root.

    Args:
        kind: A data set, say.
        name: Which.
        options: As a recipe has them.
        path: Where they stand.
        place: Where a path leads; not given: relative to the working folder.

    Raises:
        OptionError: They are not what its signature says.
        RegistryError: There is no such plugin.
        PluginError: It cannot be loaded.
    """
    thing = registry.get(kind, name)
    model = options_model(kind, thing)
    try:
        model.model_validate_json(dumps(options))
    except ValidationError as error:
        where = f'{kind} "{name}"'
        raise OptionError(faults_of(error, model, path), where) from None
    found = outside_paths(thing, options)
    placed = deepcopy(dict(options))
    for at, mark, text in found:
        inner: Any = placed
        for part in at[:-1]:
            inner = inner[part]
        inner[at[-1]] = str(place(text, mark) if place else user_path(text).absolute())
    made = model.model_validate_json(dumps(placed))
    return {field: getattr(made, field) for field in model.model_fields}


def outside_paths(
    thing: Callable[..., Any], options: Mapping[str, Any]
) -> list[tuple[KeyPath, OutsideFile, str]]:
    """Return the paths among the options of a plugin: place, mark and text."""
    each = annotations_of(thing).items()
    found = [one for n, k in each for one in marked(k, options.get(n), (n,), OutsideFile)]
    return [(path, mark, text) for path, mark, text in found if isinstance(text, str)]


@cache
def _with_argument(model: type[BaseModel]) -> type[BaseModel]:
    """Return the options of a target, with the argument that stands behind a colon elsewhere."""
    if "argument" in model.model_fields:
        raise PluginError(
            "a target's option may not be called `argument`.",
            where=model.__name__,
            to_do="call it otherwise: `argument` is its first, positional argument",
        )
    return create_model(model.__name__, __base__=model, argument=(str, ""))
