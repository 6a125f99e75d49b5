"""Paths in a recipe: which of its values are paths, known by the types of the options.

A path in a recipe's file starts at its folder. One that an override brings starts where the
override was typed, and is written into the text from the root, so that it means the same anywhere.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from nca.errors import NCAError
from nca.files import is_file, user_path
from nca.registry.registry import Kind, registry
from nca.types import CheckpointSource, NamedPlugin, OutsideFile
from nca.validation.arguments import annotations_of
from nca.validation.faults import KeyPath

PLUGIN = OutsideFile()
PRETRAINED = ("train", "pretrained")

Mark = TypeVar("Mark", OutsideFile, NamedPlugin)


def plugin_tables(tables: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Kind, dict[str, Any]]]:
    """Yield the tables whose options are a plugin's own: place, kind and content."""
    levels = tables.get("levels")
    for i, level in enumerate(levels if isinstance(levels, list) else []):
        rules = level.get("rules") if isinstance(level, dict) else None
        for j, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                yield from _with_inner(("levels", i, "rules", j), "rule", rule)
    if isinstance(tables.get("task"), dict):
        yield from _with_inner(("task",), "task", tables["task"])


def _with_inner(
    path: KeyPath, kind: Kind, table: dict[str, Any]
) -> Iterator[tuple[KeyPath, Kind, dict[str, Any]]]:
    """Yield a table, and those in it that name a plugin with options: a data set, a target."""
    yield path, kind, table
    for name, annotation in _options(kind, table).items():
        for inner, mark, value in marked(annotation, table.get(name), (*path, name), NamedPlugin):
            if isinstance(value, dict):
                yield inner, mark.kind, value


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
        path: from_root(text, folder)
        for path, mark, text in _paths(tables)
        if any(path[: len(key)] == key for key in overridden) and _leads(mark, text, folder)
    }


def staying(tables: Mapping[str, Any], folder: Path) -> dict[KeyPath, str]:
    """Return the paths of data, which stay where they are, as paths from the root.

    Args:
        tables: The recipe.
        folder: Where relative ones start.
    """
    return {path: from_root(text, folder) for path, mark, text in _paths(tables) if mark.stays}


def from_root(text: str, folder: Path) -> str:
    """Return a path from the root: `..` goes, links stay."""
    return os.path.abspath(folder / user_path(text))  # noqa: PTH100


def _leads(mark: OutsideFile, text: str, folder: Path) -> bool:
    return mark.is_path(text) or is_file(folder / user_path(text))


def _paths(tables: Mapping[str, Any]) -> Iterator[tuple[KeyPath, OutsideFile, str]]:
    plugins = tables.get("plugins")
    for number, name in enumerate(plugins if isinstance(plugins, list) else []):
        if isinstance(name, str) and name:
            yield ("plugins", number), PLUGIN, name
    train = tables.get("train")
    if isinstance(train, dict):
        yield from marked(CheckpointSource, train.get("pretrained"), PRETRAINED, OutsideFile)
    for path, kind, table in plugin_tables(tables):
        for name, annotation in _options(kind, table).items():
            found = marked(annotation, table.get(name), (*path, name), OutsideFile)
            yield from ((at, mark, text) for at, mark, text in found if isinstance(text, str))


def _options(kind: Kind, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the annotations of a plugin's options; what is wrong with it is said elsewhere."""
    try:
        return annotations_of(registry.get(kind, str(table.get("name"))))
    except (NCAError, TypeError, ValueError, NameError, AttributeError):
        return {}


def marked(
    kind: Any, value: Any, path: KeyPath, sort: type[Mark]
) -> Iterator[tuple[KeyPath, Mark, Any]]:
    """Yield what in a value has a mark of some sort, by the annotation of its type.

    Args:
        kind: The annotation.
        value: What was given.
        path: Its place.
        sort: Of the marks to look for.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        mark = next((one for one in kind.__metadata__ if isinstance(one, sort)), None)
        if mark is None:
            yield from marked(kind.__origin__, value, path, sort)
        elif isinstance(value, str | dict) and value:
            yield path, mark, value
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from marked(each, value, path, sort)
    elif isinstance(value, list) and arguments:
        for number, item in enumerate(value):
            each = arguments[min(number, len(arguments) - 1)]
            each = arguments[0] if each is Ellipsis else each
            yield from marked(each, item, (*path, number), sort)
    elif isinstance(value, dict) and isinstance(kind, type) and _is_table(kind):
        for name, hint in get_type_hints(kind, include_extras=True).items():
            yield from marked(hint, value.get(name), (*path, name), sort)


def _is_table(kind: type) -> bool:
    return is_dataclass(kind) or issubclass(kind, BaseModel)
