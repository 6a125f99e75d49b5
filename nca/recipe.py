"""A recipe: the whole truth of a run, read from TOML, checked as a whole, and built.

What is wrong is collected and shown at once, with lines. Overrides (`table.key=value`) are
written into the text, so that text alone says what was run.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
import torch
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError

from nca.automaton import Automaton
from nca.errors import PluginError, RegistryError
from nca.faults import Fault, KeyPath, RecipeError, faults_of
from nca.options import options_of, takes_place
from nca.registry import Kind, registry
from nca.rule import Place
from nca.state import Layout, Level
from nca.tables import FORMAT, RuleTable, Tables, TaskTable
from nca.task import Setting, Task
from nca.topology import Topology


@dataclass(frozen=True)
class Recipe:
    """A recipe without faults.

    Attributes:
        name: What the run is called: the file's name without its ending.
        text: The TOML, overrides included.
        overrides: What was overridden, as `table.key=value`.
        folder: Where relative paths start.
        tables: The numbers.
    """

    name: str
    text: str
    overrides: tuple[str, ...]
    folder: Path
    tables: Tables

    @classmethod
    def parse(
        cls, text: str, *, name: str, folder: Path, overrides: Iterable[str] = (), source: str = ""
    ) -> "Recipe":
        """Read a recipe from its text.

        Args:
            text: TOML.
            name: What the run shall be called.
            folder: Where relative paths start.
            overrides: `table.key=value`, the value in TOML; a bare word is text.
            source: The file to name in errors.

        Raises:
            RecipeError: Everything that is wrong with it.
            PluginError: A plugin that it names cannot be loaded.
        """
        source, overrides = source or name, tuple(overrides)
        _decode(text, source)
        if overrides:
            text = _override(text, overrides, source)
        tables = _decode(text, source)
        version = tables.get("format")
        if isinstance(version, int) and version > FORMAT:
            newer = Fault(
                ("format",),
                f"is {version}",
                f"this version reads format {FORMAT}: install a newer nca",
            )
            raise RecipeError(source, [newer], text)
        return cls(name, text, overrides, folder, _validate(tables, source, text))

    @staticmethod
    def plugins_in(text: str) -> tuple[str, ...]:
        """Return the plugin files that a text names; a text with faults names none."""
        try:
            named = tomllib.loads(text).get("plugins", [])
        except tomllib.TOMLDecodeError:
            return ()
        return tuple(n for n in named if isinstance(n, str)) if isinstance(named, list) else ()

    @property
    def layout(self) -> Layout:
        """The levels, bottom level first."""
        rows = self.tables.levels
        return Layout([Level(row.name, row.channels, row.input) for row in rows])

    @property
    def topology(self) -> Topology:
        """What lies beyond the edge of the grid."""
        boundaries = self.tables.grid.topology
        return Topology(boundaries[0] if len(boundaries) == 1 else boundaries)

    def automaton(self) -> Automaton:
        """Build the automaton; its first weights follow from the recipe's random seed."""
        layout, topology, axes = self.layout, self.topology, len(self.tables.grid.size)
        rules = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.tables.random_seed)
            for row in self.tables.levels:
                place = Place(layout, row.name, axes, topology)
                built = [_build("rule", rule, place) for rule in row.rules]
                if built:
                    rules[row.name] = built
        rollout = self.tables.rollout
        return Automaton(
            layout,
            rules,
            topology=topology,
            fire_rate=rollout.fire_rate,
            noise=rollout.noise,
            alive=rollout.alive,
            skips=rollout.skips,
            step_size=rollout.step_size,
            checkpoint_every=rollout.checkpoint_every,
        )

    def task(self) -> Task:
        """Build the task.

        Raises:
            RecipeError: The recipe names none.
        """
        if self.tables.task is None:
            missing = Fault(("task",), "is missing", "add a table [task] with a name")
            raise RecipeError(self.name, [missing], self.text)
        seed, size = self.tables.random_seed, self.tables.grid.size
        setting = Setting(self.layout, size, self.folder, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            return _build("task", self.tables.task, setting)


def _build(kind: Kind, table: RuleTable | TaskTable, surroundings: Any) -> Any:
    thing = registry.get(kind, table.name)
    model = options_of(thing)
    checked = model.model_validate_json(json.dumps(table.model_extra))
    options = {name: getattr(checked, name) for name in model.model_fields}
    return thing(*([surroundings] if takes_place(thing) else []), **options)


def _decode(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        bad = Fault((), "is no TOML", str(fault))
        raise RecipeError(source, [bad]) from None


def _override(text: str, overrides: Sequence[str], source: str) -> str:
    document = tomlkit.parse(text)
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals or not path.strip():
            bad = Fault(("--set", override), "is no override", "write --set table.key=value")
            raise RecipeError(source, [bad])
        _put(document, path.strip().split("."), _parsed(value.strip()), override, source)
    return tomlkit.dumps(document)


def _parsed(value: str) -> Any:
    try:
        return tomlkit.parse(f"value = {value}")["value"]
    except TOMLKitError:
        return value


def _put(document: Any, keys: list[str], value: Any, override: str, source: str) -> None:
    table = document
    for number, key in enumerate(keys):
        known: Sequence[Any] = (
            [item.get("name") for item in table if isinstance(item, dict)]
            if isinstance(table, list)
            else list(table)
        )
        place: Any = key
        if isinstance(table, list):
            place = int(key) if key.isdigit() else known.index(key) if key in known else None
            if place is None or place >= len(table):
                to_do = f"there are {len(table)}, counted from 0: {', '.join(map(str, known))}"
                bad = Fault(("--set", override), f"finds no {'.'.join(keys[: number + 1])}", to_do)
                raise RecipeError(source, [bad])
        if number == len(keys) - 1:
            table[place] = value
            return
        if isinstance(table, dict) and place not in table:
            table[place] = tomlkit.table()
        table = table[place]
        if not isinstance(table, dict | list):
            bad = Fault(("--set", override), f"{key} is no table", "give the path of a key")
            raise RecipeError(source, [bad])


def _validate(tables: dict[str, Any], source: str, text: str) -> Tables:
    faults: list[Fault] = []
    checked: Tables | None = None
    try:
        checked = Tables.model_validate_json(json.dumps(tables, default=str))
    except ValidationError as error:
        faults += faults_of(error, Tables)
    for path, kind, table in _plugin_tables(tables):
        faults += _options(path, kind, table)
    if checked:
        faults += _relations(checked)
    if faults or checked is None:
        raise RecipeError(source, faults, text)
    return checked


def _plugin_tables(tables: dict[str, Any]) -> Iterable[tuple[KeyPath, Kind, dict[str, Any]]]:
    levels = tables.get("levels")
    for i, level in enumerate(levels if isinstance(levels, list) else []):
        rules = level.get("rules") if isinstance(level, dict) else None
        for j, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                yield ("levels", i, "rules", j), "rule", rule
    if isinstance(tables.get("task"), dict):
        yield ("task",), "task", tables["task"]


def _options(path: KeyPath, kind: Kind, table: dict[str, Any]) -> list[Fault]:
    name = table.get("name")
    if not isinstance(name, str):
        return []
    try:
        model = options_of(registry.get(kind, name))
    except RegistryError:
        near = registry.suggestion(kind, name).strip()
        known = ", ".join(registry.names(kind)) or "none"
        return [Fault((*path, "name"), f'no {kind} "{name}"', f"{near} There are: {known}".strip())]
    except PluginError as error:
        return [Fault((*path, "name"), error.what, error.to_do)]
    options = {key: value for key, value in table.items() if key != "name"}
    try:
        model.model_validate_json(json.dumps(options, default=str))
    except ValidationError as error:
        return faults_of(error, model, path)
    return []


def _relations(tables: Tables) -> list[Fault]:
    """Return the faults of numbers that are fine alone, but not together."""
    faults = []
    levels = {level.name: level for level in tables.levels}
    names = [level.name for level in tables.levels]
    for number, level in enumerate(tables.levels):
        if level.name in names[:number]:
            faults.append(Fault(("levels", number, "name"), "is taken", "name each level once"))
        if level.input and level.rules:
            to_do = "nothing writes to an input level: move its rules to a level above"
            faults.append(Fault(("levels", number, "rules"), "on an input level", to_do))
    axes, topology = len(tables.grid.size), tables.grid.topology
    if len(topology) not in (1, axes):
        to_do = f"name one boundary for all, or one for each of the {axes} axes"
        faults.append(Fault(("grid", "topology"), f"names {len(topology)} axes", to_do))
    alive, there = tables.rollout.alive, ", ".join(levels)
    if alive and alive.level not in levels:
        faults.append(Fault(("rollout", "alive", "level"), "no such level", f"there are: {there}"))
    elif alive and alive.channel >= levels[alive.level].channels:
        to_do = f'"{alive.level}" has channels 0 to {levels[alive.level].channels - 1}'
        faults.append(Fault(("rollout", "alive", "channel"), f"is {alive.channel}", to_do))
    for number, skip in enumerate(tables.rollout.skips):
        for name in skip.levels:
            if name not in levels or levels[name].input:
                writable = ", ".join(n for n, level in levels.items() if not level.input)
                path = ("rollout", "skips", number, "levels")
                faults.append(Fault(path, f'names "{name}"', f"choose among: {writable}"))
    pool, train = tables.pool, tables.train
    if pool and train:
        renewed = pool.fresh + pool.damaged + pool.swapped
        if renewed > train.batch:
            to_do = f"fresh, damaged and swapped together fit a batch of {train.batch}"
            faults.append(Fault(("pool",), f"renews {renewed} states", to_do))
        if train.batch > pool.size:
            to_do = f"at least one batch: {train.batch}"
            faults.append(Fault(("pool", "size"), f"is {pool.size}", to_do))
    if train and tables.task is None:
        faults.append(Fault(("task",), "is missing", "training needs a task: add [task]"))
    return faults
