"""Build what a recipe names, and note every refusal at the key that it is about."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nca.engine.capacity import WeightBudget
from nca.engine.context import RuleContext
from nca.engine.rule import SIZES, UpdateRule, check_declarations, lazy_weights
from nca.errors import NCAError, RegistryError
from nca.jsonl import dumps
from nca.recipe.tables import RuleTable, Tables, TaskTable
from nca.registry.discovery import frames_in_plugins
from nca.registry.registry import Kind, registry
from nca.validation.arguments import options_of, takes_context
from nca.validation.faults import Fault, KeyPath, OptionError

PLUGINS: KeyPath = ("plugins",)
"""The key that a name which is not known hangs on: a file may bring it."""


def build(
    kind: Kind, table: RuleTable | TaskTable, path: KeyPath, surroundings: Any, faults: list[Fault]
) -> Any | None:
    """Return what a table stands for, or None, and note why.

    Args:
        kind: A rule or a task.
        table: Its name and options.
        path: Where the table stands.
        surroundings: Handed to those that take it.
        faults: Where refusals are noted.
    """
    try:
        with WeightBudget(f"the {kind} {table.name}"):
            made = _made(kind, table, surroundings)
        if not (lazy := lazy_weights(made)):
            return made
        what = f"has layers without sizes (torch.nn.Lazy...): {', '.join(lazy)}"
        faults.append(Fault(path, what, SIZES))
    except NCAError as error:
        faults += refused(error, table, path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise anything, and exit
        words = (str(error).splitlines() or [""])[0]
        places = [f"{file}, line {line}: {text}" for file, line, text in frames_in_plugins(error)]
        to_do = "; ".join([*places[-1:], f"correct the {kind}, or its options here"])
        faults.append(Fault(path, f"cannot be built: {type(error).__name__}: {words}", to_do))
    return None


def check_rule(
    rule: UpdateRule, path: KeyPath, context: RuleContext, tables: Tables, faults: list[Fault]
) -> None:
    """Note what is wrong with a rule in its place: it reads no level, or sees too far."""
    for name in rule.reads:
        try:
            context.level(name)
        except NCAError as error:
            faults.append(fault_of(error, path))
    longest = max(tables.grid.size)
    if rule.radius > longest:
        to_do = f"the grid has {longest} cells along its longest side: a smaller radius"
        faults.append(Fault(path, f"sees {rule.radius} cells far", to_do))


def refused(error: NCAError, table: RuleTable | TaskTable, path: KeyPath) -> list[Fault]:
    """Return the faults of an error of a rule or task, each at the key that it is about.

    Args:
        error: What was raised.
        table: The name and options of the rule or task.
        path: Where the table stands.
    """
    if isinstance(error, OptionError):
        faults = [fault.placed(path) for fault in error.faults]
    else:
        place = next(_quoting(error.what, table.model_extra or {}, path), path)
        faults = [fault_of(error, place)]
    unknown = isinstance(error, RegistryError) or isinstance(error.__cause__, RegistryError)
    return [replace(fault, others=(*fault.others, PLUGINS) * unknown) for fault in faults]


def fault_of(error: NCAError, path: KeyPath) -> Fault:
    """Return an error as the fault of a key; the choices that it calls these are named.

    An error lists them as its `where`, in whose place a fault has its key.
    """
    choices = error.where.rpartition(": ")[2]
    to_do = error.to_do.replace("one of these", f"one of {choices}")
    return Fault(path, error.what.rstrip("."), to_do)


def _quoting(words: str, given: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the places of values that are quoted in some words."""
    if isinstance(given, dict | list):
        items = given.items() if isinstance(given, dict) else enumerate(given)
        for key, value in items:
            yield from _quoting(words, value, (*path, key))
    elif isinstance(given, str):
        names = {given, Path(given).name} - {""}
        if any(q + name + q in words for name in names for q in "'\""):
            yield path


def _made(kind: Kind, table: RuleTable | TaskTable, surroundings: Any) -> Any:
    thing = registry.get(kind, table.name)
    model = options_of(thing)
    checked = model.model_validate_json(dumps(table.model_extra))
    options = {name: getattr(checked, name) for name in model.model_fields}
    made = thing(*([surroundings] if takes_context(thing) else []), **options)
    if isinstance(made, UpdateRule):
        check_declarations(made)
    return made
