"""Write `table.key=value` into a recipe's text, and leave its comments where they are."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, InlineTable, Table

from nca.recipe.errors import RecipeError
from nca.validation.faults import SHOWN, Fault, KeyPath, OptionError

LONGEST = 500
"""Characters of an override's key at most."""

DEEPEST = 20
"""Parts of a key at most."""


class _MisplacedError(Exception):
    """An override leads nowhere: what is wrong, and what to do."""


def override(text: str, overrides: Sequence[str], source: str) -> tuple[str, list[KeyPath]]:
    """Return the text with all overrides written into it, and the keys that they set.

    Args:
        text: TOML.
        overrides: `table.key=value`; the value is TOML, or else text without quotes. A list is
            entered by number, or by the `name` of an item: `levels.body.rules.0.hidden=64`.
            A whole table gives way to `{...}`, a whole list of tables to `[{...}, {...}]`.
        source: The file to name in errors.

    Raises:
        RecipeError: An override is malformed or leads nowhere.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as fault:
        bad = Fault((), "cannot be overridden", f"edit it instead: {fault}")
        raise RecipeError(source, [bad]) from None
    faults, paths = [], []
    for given in overrides:
        path, equals, value = given.partition("=")
        keys = path.strip().split(".")
        try:
            if not equals or not all(keys):
                raise _MisplacedError("is no override", "write --set table.key=value")
            if len(path) > LONGEST or len(keys) > DEEPEST:
                most = f"at most {DEEPEST} words between dots, {LONGEST} characters in all"
                raise _MisplacedError("has a key that is too long", most)
            paths.append(_put(document, keys, _parsed(value.strip())))
        except _MisplacedError as fault:
            faults.append(Fault((_short(given),), *fault.args))
    if faults:
        raise RecipeError(source, faults, overridden=[fault.path for fault in faults])
    return tomlkit.dumps(document), paths


def as_overrides(
    given: Mapping[str, Any] | Iterable[str], tables: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Return overrides as the command line has them.

    Args:
        given: Values by key, `{"rollout.fire_rate": 0.3}`, or overrides already.
        tables: Values by table and key, `{"train": {"batch": 4}}`, which come last; other keys of
            a table stay as they are. What is no dict is the value of a key.

    Raises:
        OptionError: A value cannot be written in TOML.
    """
    first = _written(given) if isinstance(given, Mapping) else given
    flat = {
        ".".join((table, *map(str, inner))): value
        for table, values in (tables or {}).items()
        for inner, value in _keys_of(values)
    }
    return (*first, *_written(flat))


def _keys_of(values: Any) -> Iterable[tuple[tuple[Any, ...], Any]]:
    """Return the values of a table by key; what is no table is one value without a key."""
    if isinstance(values, Mapping):
        return [((key,), value) for key, value in values.items()]
    return [((), values)]


def _written(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{key}={_in_toml(key, value)}" for key, value in values.items())


def as_toml(tables: Mapping[str, Any]) -> str:
    """Return the text of a recipe that is given as tables.

    Raises:
        OptionError: A value cannot be written in TOML.
    """
    written = tomlkit.document()
    for key, value in tables.items():
        try:
            written[key] = _plain(value)
        except TOMLKitError:
            raise _unwritable(key, value) from None
    return tomlkit.dumps(written)


def _in_toml(key: str, value: Any) -> str:
    """Return a value as TOML has it, on one line."""
    line = tomlkit.inline_table()
    try:
        line["value"] = _plain(value)
    except TOMLKitError:
        raise _unwritable(key, value) from None
    item: Any = line.item("value")
    return item.as_string()


def _plain(value: Any) -> Any:
    """Return a value with paths as text, at any depth."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _unwritable(key: str, value: Any) -> OptionError:
    to_do = "give text, numbers, bools, lists or dicts of these"
    return OptionError([Fault((*key.split("."),), f"is {value!r}", to_do)], "a recipe in Python")


def replaced(text: str, values: Mapping[KeyPath, str]) -> str:
    """Return the text with other texts at some keys, which are there."""
    document = tomlkit.parse(text)
    for (*above, last), value in values.items():
        table: Any = document
        for key in above:
            table = table[key]
        table[last] = value
    return tomlkit.dumps(document)


def with_values(given: str, values: Mapping[KeyPath, str]) -> str:
    """Return an override with other texts at some places in its value.

    Args:
        given: `table.key=value`.
        values: By the path inside the value; the empty path is the value itself.
    """
    if not values:
        return given
    path, _, value = given.partition("=")
    if () in values:
        return f"{path}={tomlkit.item(values[()]).as_string()}"
    text = replaced(f"value = {value.strip()}", {("value", *at): t for at, t in values.items()})
    return f"{path}={text.partition('=')[2].strip()}"


def _short(given: str) -> str:
    return given if len(given) <= SHOWN else f"{given[: SHOWN - 3]}..."


def _parsed(value: str) -> Any:
    try:
        parsed = tomlkit.parse(f"value = {value}")
    except (TOMLKitError, ValueError, RecursionError):
        return value
    return parsed["value"] if len(parsed) == 1 else value


def _put(table: Any, keys: list[str], value: Any) -> KeyPath:
    """Put a value where the keys lead, making tables on the way; return that place."""
    path: KeyPath = ()
    for number, key in enumerate(keys):
        place = _place(table, key, ".".join(keys[: number + 1]))
        path = (*path, place)
        there = isinstance(table, list) or place in table
        if number == len(keys) - 1:
            if there and isinstance(table[place], Table | AoT):
                value = _like(table[place], value, ".".join(keys))
            table[place] = value
        else:
            if not there:
                flat = isinstance(table, InlineTable)
                table[place] = tomlkit.inline_table() if flat else tomlkit.table()
            table = table[place]
            if not isinstance(table, dict | list):
                raise _MisplacedError(f"{key} is no table", "give the path of a key")
    return path


def _like(there: Table | AoT, value: Any, key: str) -> Table | AoT:
    """Return a value in the shape of what it replaces, a table or tables with a header.

    Written between braces it would stand after a header, and belong to another table.
    """
    if isinstance(there, Table) and isinstance(value, InlineTable):
        table = tomlkit.table()
        table.update(value)
        return table
    if isinstance(there, AoT) and isinstance(value, list):
        tables = tomlkit.aot()
        for item in value:
            if not isinstance(item, dict):
                break
            tables.append(_like(tomlkit.table(), item, key))
        else:
            return tables
    raise _MisplacedError("is a table", f"set a key in it: {key}.KEY=VALUE")


def _place(table: Any, key: str, so_far: str) -> Any:
    """Return where a key leads: into a table by its name, into a list by number or name."""
    if not isinstance(table, list):
        return key
    named = {
        str(item["name"]): i
        for i, item in enumerate(table)
        if isinstance(item, dict) and "name" in item
    }
    places = named | {str(number): number for number in range(len(table))}
    if key not in places:
        names = f": {', '.join(named)}" if named else ""
        raise _MisplacedError(
            f"finds no {so_far}", f"there are {len(table)}, counted from 0{names}"
        )
    return places[key]
