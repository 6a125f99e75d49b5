"""Check the tables of a recipe: each value alone, the options of plugins, and all together."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from nca.errors import PluginError, RegistryError
from nca.jsonl import dumps
from nca.recipe.paths import plugin_tables
from nca.recipe.relations import conflicts, senseless
from nca.recipe.salvage import hangs_on, salvage
from nca.recipe.tables import Tables
from nca.registry.options import nameless, options_model
from nca.registry.registry import Kind, registry
from nca.suggest import did_you_mean, listed
from nca.validation.faults import Fault, KeyPath, faults_of, strange, toml_value

Hangs = Callable[[Fault], bool]
"""Tells whether a fault hangs on another one, which has been found already."""


def check_tables(tables: dict[str, Any]) -> tuple[Tables | None, list[Fault], Hangs]:
    """Return the tables as far as they are sound, and all that is wrong.

    Args:
        tables: A recipe as TOML has it; odd values are taken out of it.
    """
    odd = strange(tables)
    for fault in odd:  # JSON could not hold them, and one complaint about each is enough
        _replace(tables, fault.path, None)
    found: list[Fault] = []
    checked: Tables | None = None
    try:
        checked = Tables.model_validate_json(dumps(tables), strict=True)
    except ValidationError as error:
        found += faults_of(error, Tables)
    newer = [fault for fault in found if fault.path == ("format",) and "newer" in fault.to_do]
    if newer:  # the rest would be judged by the rules of an older format
        return None, newer, lambda fault: True
    hollow = {fault.path for fault in odd}
    if checked is None:
        checked, taken = salvage(tables, found)
        hollow |= taken
    for path, kind, table in plugin_tables(tables):
        wrong = _options(path, kind, table, tables.get("plugins"))
        hollow |= {fault.path for fault in wrong}
        found += wrong
    if checked:
        found += [fault for fault in conflicts(checked) if not hangs_on(fault, hollow)]
    covered = {fault.path[:length] for fault in odd for length in range(len(fault.path) + 1)}
    faults = odd + [fault for fault in found if fault.path not in covered]
    blamed = hollow | {fault.path for fault in faults}
    return checked, faults, lambda fault: _hangs(fault, blamed)


def judge_sense(
    tables: Tables | None, hangs: Hangs, overridden: Sequence[KeyPath], *, trained: bool = False
) -> tuple[list[Fault], list[Fault]]:
    """Return what means nothing: what is a fault, and what an override elsewhere has caused.

    Args:
        tables: As far as they are sound.
        hangs: Tells what hangs on another fault.
        overridden: The keys that overrides set.
        trained: Whether a checkpoint holds them: then overrides alone are judged.
    """
    faults: list[Fault] = []
    remarks: list[Fault] = []
    for fault in senseless(tables) if tables else ():
        if hangs(fault):
            continue
        own = _within(fault.path, overridden)
        if not own and any(_within(other, overridden) for other in fault.others):
            remarks.append(fault)
        elif own or not trained:
            faults.append(fault)
    return faults, remarks


def _within(path: KeyPath, keys: Sequence[KeyPath]) -> bool:
    """Return whether a path is one of the keys, or lies in one."""
    return any(path[: len(key)] == key for key in keys)


def _hangs(fault: Fault, blamed: set[KeyPath]) -> bool:
    """Return whether a fault that shows in building hangs on one that has been found already."""
    if hangs_on(fault, blamed):
        return True
    if fault.path[:1] not in (("levels",), ("task",)):
        return False
    # what is built in the grid and on the levels hangs on them, but not on the rules of others
    around = [place for place in blamed if place[:1] in (("grid",), ("levels",))]
    return any("rules" not in place[:3] for place in around)


def _replace(tables: Any, path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        tables = tables[part]
    tables[path[-1]] = value


def _options(path: KeyPath, kind: Kind, table: dict[str, Any], plugins: Any) -> list[Fault]:
    name = table.get("name")
    if not isinstance(name, str):
        # the names of tasks, and of the rules of levels, are checked with the tables themselves
        outer = path == ("task",) or (path[:1] == ("levels",) and len(path) == 4)
        return [] if outer else nameless(kind, table, path)
    try:
        model = options_model(kind, registry.get(kind, name))
    except RegistryError:
        known = registry.names(kind)
        file = plugins[0] if isinstance(plugins, list) and plugins else "FILE"
        to_do = (
            f"{did_you_mean(name, known)}choose among: {listed(known)}; "
            f"a plugin's file brings more: --plugin {file}"
        )
        return [Fault((*path, "name"), f"no {kind} {toml_value(name)}", to_do)]
    except PluginError as error:
        return [Fault((*path, "name"), error.what, f"{error.where}: {error.to_do}")]
    options = {key: value for key, value in table.items() if key != "name"}
    try:
        model.model_validate_json(dumps(options))
    except ValidationError as error:
        return faults_of(error, model, path)
    return []
