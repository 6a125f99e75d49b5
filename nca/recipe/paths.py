"""Paths in a recipe: which of its values are paths, known by the types of the options.

A path in a recipe's file starts at its folder. One that an override brings starts where the
override was typed, and is written into the text from the root, so that it means the same anywhere.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from nca.errors import NCAError
from nca.files import is_file, user_path
from nca.recipe.tables import Train
from nca.registry.registry import Kind, registry
from nca.types import OutsideFile
from nca.validation.arguments import annotations_of
from nca.validation.faults import KeyPath

PLUGIN = OutsideFile()


def plugin_tables(tables: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Kind, dict[str, Any]]]:
    """Yield the tables whose options are a plugin's own: place, kind and content."""
    levels = tables.get("levels")
    for i, level in enumerate(levels if isinstance(levels, list) else []):
        rules = level.get("rules") if isinstance(level, dict) else None
        for j, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                yield ("levels", i, "rules", j), "rule", rule
    if isinstance(tables.get("task"), dict):
        yield ("task",), "task", tables["task"]


def located(
    tables: Mapping[str, Any], overridden: Collection[KeyPath], folder: Path
) -> dict[KeyPath, str]:
    """Return the relative paths that overrides have brought, as paths from the root.

    Args:
        tables: The recipe, overrides included.
        overridden: The keys that they set.
        folder: Where they were typed.
    """
    return {
        path: os.path.abspath(folder / user_path(text))  # noqa: PTH100, `..` goes, links stay
        for path, mark, text in _paths(tables)
        if any(path[: len(key)] == key for key in overridden) and _leads(mark, text, folder)
    }


def _leads(mark: OutsideFile, text: str, folder: Path) -> bool:
    return mark.is_path(text) or is_file(folder / user_path(text))


def _paths(tables: Mapping[str, Any]) -> Iterator[tuple[KeyPath, OutsideFile, str]]:
    plugins = tables.get("plugins")
    for number, name in enumerate(plugins if isinstance(plugins, list) else []):
        if isinstance(name, str) and name:
            yield ("plugins", number), PLUGIN, name
    yield from _marked(Train, tables.get("train"), ("train",))
    for path, kind, table in plugin_tables(tables):
        try:
            options = annotations_of(registry.get(kind, str(table.get("name"))))
        except (NCAError, TypeError, ValueError, NameError, AttributeError):
            continue  # what is wrong with the plugin is said where its options are checked
        for name, annotation in options.items():
            yield from _marked(annotation, table.get(name), (*path, name))


def _marked(kind: Any, value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, OutsideFile, str]]:
    """Yield the paths in a value of some type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        mark = next((one for one in kind.__metadata__ if isinstance(one, OutsideFile)), None)
        if mark is None:
            yield from _marked(kind.__origin__, value, path)
        elif isinstance(value, str) and value:
            yield path, mark, value
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from _marked(each, value, path)
    elif isinstance(value, list) and arguments:
        for number, item in enumerate(value):
            each = arguments[min(number, len(arguments) - 1)]
            each = arguments[0] if each is Ellipsis else each
            yield from _marked(each, item, (*path, number))
    elif isinstance(value, dict) and isinstance(kind, type) and _is_table(kind):
        for name, hint in get_type_hints(kind, include_extras=True).items():
            yield from _marked(hint, value.get(name), (*path, name))


def _is_table(kind: type) -> bool:
    return is_dataclass(kind) or issubclass(kind, BaseModel)
