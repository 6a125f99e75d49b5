"""A recipe: the whole truth of a run, read from TOML, checked as a whole, and built.

What is wrong is collected and shown at once, with lines. Overrides (`table.key=value`) are
written into the text, so that text alone says what was run.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

from nca.engine.activation_memory import ActivationMemory
from nca.engine.automaton import Automaton
from nca.engine.capacity import capacity
from nca.engine.context import RuleContext
from nca.engine.layout import Layout
from nca.engine.rule import UpdateRule
from nca.engine.topology import Topology
from nca.errors import NCAError
from nca.recipe.build import build, check_rule, refused
from nca.recipe.check import check_tables, judge_sense
from nca.recipe.draft import Draft
from nca.recipe.memory import beyond
from nca.recipe.precision import Precision, PrecisionChoice, decide_precision
from nca.recipe.recipe_files import RecipeFiles
from nca.recipe.tables import Tables, Train
from nca.tasks.no_task import NoTask
from nca.tasks.task import Task, TaskContext
from nca.validation.faults import Fault, KeyPath, OptionError

Wanted = TypeVar("Wanted")

TASK: KeyPath = ("task",)


@dataclass(frozen=True)
class Recipe:
    """A recipe without faults.

    Attributes:
        name: What the run is called: the file's name without its ending.
        text: The TOML, overrides included.
        overrides: What was overridden, as `table.key=value`.
        folder: Where relative paths start.
        tables: The numbers.
        files: The files that it names.
        draft: What it was read from, in which errors find their lines.
        source: The file to name in errors.
        remarks: What an override has made senseless, and is harmless.
        precision: Of matrix products, once that is decided.
    """

    name: str
    text: str
    overrides: tuple[str, ...]
    folder: Path
    tables: Tables
    files: RecipeFiles = field(compare=False, repr=False)
    draft: Draft = field(compare=False, repr=False)
    source: str = field(default="", compare=False)
    remarks: tuple[Fault, ...] = field(default=(), compare=False)
    precision: PrecisionChoice | None = field(default=None, compare=False)

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        name: str,
        folder: Path,
        overrides: Iterable[str] = (),
        source: str = "",
        trained: bool = False,
        files: RecipeFiles | None = None,
    ) -> "Recipe":
        """Read a recipe from its text.

        Args:
            text: TOML.
            name: What the run shall be called.
            folder: Where relative paths start.
            overrides: `table.key=value`, the value in TOML; a bare word is text.
            source: The file to name in errors.
            trained: Whether it comes out of a checkpoint: then nothing that it says of training is
                senseless, for training lies behind it.
            files: Where the files that it names are read; from its folder, if not given.

        Raises:
            RecipeError: Everything that is wrong with it.
            PluginError: A plugin that it names cannot be loaded.
        """
        files = files or RecipeFiles(folder)
        draft = Draft.read(text, overrides, source or name).located(files)
        checked, faults, hangs = check_tables(draft.tables)
        odd, remarks = judge_sense(checked, hangs, draft.overridden, trained=trained)
        faults += odd
        if checked is None:
            raise draft.refusal(faults)
        given, text = draft.overrides, draft.text
        found = cls(name, text, given, folder, checked, files, draft, draft.source, tuple(remarks))
        if faults:
            late = [*found.unbuilt(), *([] if trained else found.unused())]
            faults += [fault for fault in late if not hangs(fault)]
            raise draft.refusal(faults)
        return found

    @property
    def layout(self) -> Layout:
        """The levels, bottom level first."""
        return Layout([row.level for row in self.tables.levels])

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

    def decided(
        self, automaton: Automaton, device: torch.device, known: Precision | None = None
    ) -> "Recipe":
        """Return the recipe with the precision of products decided, by the clock if it says `auto`.

        Args:
            automaton: Its automaton.
            device: Where that runs.
            known: What was decided before; None: nothing.
        """
        train, cells = self.tables.train, math.prod(self.tables.grid.size)
        asked, batch = (train.precision, train.batch) if train else ("float32", 1)
        choice = decide_precision(asked, automaton, batch * cells, device, known)
        return replace(self, precision=choice)

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the context in which the automaton computes: in the precision decided on.

        Where `[train] precision` is `auto` and nothing is decided, that is float32.
        """
        asked = self.tables.train.precision if self.tables.train else "float32"
        reduced = (self.precision.name if self.precision else asked) == "bfloat16"
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=reduced)

    def automaton(self) -> Automaton:
        """Build the automaton; its first weights follow from the recipe's random seed.

        Raises:
            RecipeError: What its rules refuse.
        """
        faults: list[Fault] = []
        rules = self._rules(faults)
        self._refuse(faults)
        rollout = self.tables.rollout
        return Automaton(
            self.layout,
            rules,
            topology=self.topology,
            fire_rate=rollout.fire_rate,
            noise=rollout.noise,
            alive=rollout.alive,
            skips=rollout.skips,
            step_size=rollout.step_size,
            coordinates=self.tables.grid.coordinates,
            memory=self.tables.train.memory if self.tables.train else ActivationMemory(),
        )

    def task(self) -> Task:
        """Build the task; where the recipe names none, one that only shows what there is.

        Raises:
            RecipeError: What it refuses.
        """
        if self.tables.task is None:
            return NoTask(TaskContext(self.layout, self.tables.grid.size, self.folder))
        faults: list[Fault] = []
        task = self._task(faults)
        self._refuse(faults)
        assert task is not None
        return task

    @contextmanager
    def blaming_task(self) -> Iterator[None]:
        """Find the lines of what the recipe's task refuses while it loads its data.

        Raises:
            RecipeError: It has refused options.
        """
        try:
            yield
        except OptionError as error:
            self._refuse([fault.placed(TASK) for fault in error.faults])

    def check(self) -> None:
        """Build everything once, and look for the sources of its task, short of fetching data.

        Raises:
            RecipeError: Everything that is wrong with it, and shows only then.
        """
        self._refuse([*self.unbuilt(), *self.unused()])

    def check_memory(self, device: torch.device, share: float = 1.0) -> None:
        """Refuse states that alone exceed the memory of a device.

        Args:
            device: Where they are to be.
            share: How large a part of them it holds, if there are other devices.

        Raises:
            RecipeError: They do; the keys that count them are named.
        """
        if (there := capacity(device)) is not None:
            self._refuse(list(beyond(self.tables, int(there / share))))

    def training(self) -> Train:
        """Return the table of training.

        Raises:
            RecipeError: There is none.
        """
        return self._needed(
            "train",
            self.tables.train,
            "a table [train] with batch, iterations, learning_rate; what has no weights is only "
            "run: nca run",
        )

    def _needed(self, key: str, table: Wanted | None, sample: str) -> Wanted:
        if table is None:
            self._refuse([Fault((key,), "is missing", f"add {sample}")])
        assert table is not None
        return table

    def _refuse(self, faults: list[Fault]) -> None:
        if faults:
            raise self.draft.refusal(faults)

    def unbuilt(self) -> Iterator[Fault]:
        """Yield what shows only when rules and task are built."""
        if not self._has_layout():
            return  # nothing can be built on them, and that is a fault already
        faults: list[Fault] = []
        rules = self._rules(faults)
        task = self._task(faults) if self.tables.task else None
        if task is not None:
            try:
                task.check()
            except NCAError as error:
                assert self.tables.task is not None
                faults += refused(error, self.tables.task, TASK)
        if not faults and task is not None and self.tables.train:
            modules = [rule for own in rules.values() for rule in own]
            if not any(list(module.parameters()) for module in [*modules, task]):
                to_do = "training needs a rule with weights: `nca plugins` lists the rules"
                faults.append(Fault(("levels",), "have no weights", to_do))
        yield from faults

    def unused(self) -> Iterator[Fault]:
        """Yield the levels that no rule writes to or reads, and no mask looks at."""
        faults: list[Fault] = []
        rules = self._rules(faults) if self._has_layout() else {}
        if faults or not rules:
            return  # what a rule reads is known once it is built
        used = {self.tables.rollout.alive.level} if self.tables.rollout.alive else set()
        for name, own in rules.items():
            place = RuleContext(self.layout, name)
            used |= {name, *(place.name_of(read) for rule in own for read in rule.reads)}
        for number, level in enumerate(self.tables.levels):
            if level.name not in used:
                to_do = "leave it out, or let a rule of another level read it"
                key, alive = ("levels", number, "name"), ("rollout", "alive")
                yield Fault(key, "is used by no rule", to_do, others=(alive,))

    def _has_layout(self) -> bool:
        """Return whether the levels make a layout: no two of a name, one of scale 1."""
        levels = self.tables.levels
        names = {level.name for level in levels}
        return len(names) == len(levels) and any(level.scale == 1 for level in levels)

    def _rules(self, faults: list[Fault]) -> dict[str, list[UpdateRule]]:
        """Return the rules of each level; note what they refuse."""
        layout, topology, axes = self.layout, self.topology, len(self.tables.grid.size)
        rules: dict[str, list[UpdateRule]] = {}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.tables.random_seed)
            for number, row in enumerate(self.tables.levels):
                place = RuleContext(layout, row.name, axes, topology, self.tables.grid.coordinates)
                for n, table in enumerate(row.rules):
                    path = ("levels", number, "rules", n)
                    rule = build("rule", table, path, place, faults)
                    if rule is not None:
                        check_rule(rule, path, place, self.tables, faults)
                        rules.setdefault(row.name, []).append(rule)
        return rules

    def _task(self, faults: list[Fault]) -> Task | None:
        seed, size, table = self.tables.random_seed, self.tables.grid.size, self.tables.task
        assert table is not None
        setting = TaskContext(self.layout, size, self.folder, seed, self.files)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed + 1)
            return build("task", table, ("task",), setting, faults)
