"""A recipe: the whole truth of a run, read from TOML, checked as a whole, and built.

What is wrong is collected and shown at once, with lines. Overrides (`table.key=value`) are
written into the text, so that text alone says what was run.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError

from nca.engine.activation_memory import ActivationMemory
from nca.engine.automaton import Automaton
from nca.engine.context import RuleContext
from nca.engine.layout import Layout, Level
from nca.engine.topology import Topology
from nca.errors import PluginError, RegistryError
from nca.jsonl import dumps
from nca.recipe.errors import RecipeError, depth
from nca.recipe.overrides import override
from nca.recipe.tables import RuleTable, Tables, TaskTable, Train, check_relations
from nca.registry.registry import Kind, registry
from nca.suggest import did_you_mean
from nca.tasks.task import Task, TaskContext
from nca.validation.arguments import options_of, takes_context
from nca.validation.faults import Fault, KeyPath, faults_of, strange, toml_value

Wanted = TypeVar("Wanted")

BOM = "\ufeff"
"""What some editors put before a text."""

DEEPEST = 20
"""How deep tables and lists may be nested."""


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
        text = text.removeprefix(BOM)
        tables = _decode(text, source)
        written, overridden = text, []
        if overrides:
            written, overridden = override(text, overrides, source)
            tables = _decode(written, source)
        faults, checked = _validate(tables)
        if faults or checked is None:
            raise RecipeError(source, faults, text, overridden)
        return cls(name, written, overrides, folder, checked)

    @staticmethod
    def plugins_in(text: str) -> tuple[str, ...]:
        """Return the plugin files that a text names; a text with faults names none."""
        try:
            named = _decode(text.removeprefix(BOM), "").get("plugins", [])
        except RecipeError:
            return ()
        usable = isinstance(named, list) and not strange(named)
        return tuple(n for n in named if isinstance(n, str)) if usable else ()

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

    @property
    def evaluation_steps(self) -> tuple[int, ...]:
        """The steps to evaluate at: those given, or once, twice and four times the trained."""
        given, trained = self.tables.evaluate.steps, self.tables.rollout.steps[1]
        if not given or given == "settle":
            given = (trained, 2 * trained, 4 * trained)
        return tuple(sorted(set(given)))

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the context in which the automaton computes, in the precision of `[train]`."""
        reduced = self.tables.train is not None and self.tables.train.precision == "bfloat16"
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=reduced)

    def automaton(self) -> Automaton:
        """Build the automaton; its first weights follow from the recipe's random seed."""
        layout, topology, axes = self.layout, self.topology, len(self.tables.grid.size)
        rules = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.tables.random_seed)
            for row in self.tables.levels:
                place = RuleContext(layout, row.name, axes, topology, self.tables.grid.coordinates)
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
            coordinates=self.tables.grid.coordinates,
            memory=self.tables.train.memory if self.tables.train else ActivationMemory(),
        )

    def task(self) -> Task:
        """Build the task.

        Raises:
            RecipeError: The recipe names none.
        """
        table = self._needed("task", self.tables.task, "a table [task] with a name")
        seed, size = self.tables.random_seed, self.tables.grid.size
        setting = TaskContext(self.layout, size, self.folder, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            return _build("task", table, setting)

    def training(self) -> Train:
        """Return the table of training.

        Raises:
            RecipeError: There is none.
        """
        return self._needed(
            "train", self.tables.train, "a table [train] with batch, iterations, learning_rate"
        )

    def _needed(self, key: str, table: Wanted | None, sample: str) -> Wanted:
        if table is None:
            missing = Fault((key,), "is missing", f"add {sample}")
            raise RecipeError(self.name, [missing], self.text)
        return table


def _build(kind: Kind, table: RuleTable | TaskTable, surroundings: Any) -> Any:
    thing = registry.get(kind, table.name)
    model = options_of(thing)
    checked = model.model_validate_json(dumps(table.model_extra))
    options = {name: getattr(checked, name) for name in model.model_fields}
    return thing(*([surroundings] if takes_context(thing) else []), **options)


def _decode(text: str, source: str) -> dict[str, Any]:
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as fault:
        deep = isinstance(fault, RecursionError)
        words = "it is nested too deep" if deep else str(fault).partition(" (at ")[0]
        place = re.search(r"\(at line (\d+)", str(fault))
        line = int(place[1]) if place else text.count("\n") + 1
        raise RecipeError(source, [Fault((), "is no TOML", words, line)]) from None
    if depth(tables) > DEEPEST:
        raise RecipeError(source, [Fault((), "is nested too deep", "flatten its tables")])
    return tables


def _validate(tables: dict[str, Any]) -> tuple[list[Fault], Tables | None]:
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
        return newer, None
    for path, kind, table in _plugin_tables(tables):
        found += _options(path, kind, table, tables.get("plugins"))
    if checked and not odd:
        found += check_relations(checked)
    covered = {fault.path[:length] for fault in odd for length in range(len(fault.path) + 1)}
    return odd + [fault for fault in found if fault.path not in covered], checked


def _replace(tables: Any, path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        tables = tables[part]
    tables[path[-1]] = value


def _plugin_tables(tables: dict[str, Any]) -> Iterable[tuple[KeyPath, Kind, dict[str, Any]]]:
    levels = tables.get("levels")
    for i, level in enumerate(levels if isinstance(levels, list) else []):
        rules = level.get("rules") if isinstance(level, dict) else None
        for j, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                yield ("levels", i, "rules", j), "rule", rule
    if isinstance(tables.get("task"), dict):
        yield ("task",), "task", tables["task"]


def _options(path: KeyPath, kind: Kind, table: dict[str, Any], plugins: Any) -> list[Fault]:
    name = table.get("name")
    if not isinstance(name, str):
        return []
    try:
        model = options_of(registry.get(kind, name))
    except RegistryError:
        known = registry.names(kind)
        file = plugins[0] if isinstance(plugins, list) and plugins else "FILE"
        to_do = (
            f"{did_you_mean(name, known)}choose among: {', '.join(known) or 'none'}; "
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
