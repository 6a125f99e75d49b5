"""What is played: an automaton with its weights, its task if it has one, and where it starts.

A checkpoint, a recipe whose weights are still the first ones, and a rule alone on one level can
all be played.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Le
from torch import Tensor

from nca.checkpoint.file import fingerprint, is_file
from nca.checkpoint.find import ENDINGS, in_notation, pretrained, recipes
from nca.checkpoint.read import read_recipe
from nca.checkpoint.reads import PLAYED
from nca.checkpoint.trained import Trained
from nca.checkpoint.trained_conditions import InputChange, PausePoint, input_change, pause
from nca.engine.automaton import Automaton
from nca.engine.initial import draw_needed
from nca.engine.resample import size_at
from nca.engine.state import State
from nca.errors import NCAError, ShapeError
from nca.play.cells import Holding, holdings
from nca.play.controls import Control, Value, controls_of, with_controls
from nca.play.snapshot import Snapshot
from nca.play.work import ask
from nca.progress import SILENT, Progress
from nca.recipe.recipe import Recipe
from nca.registry.registry import registry
from nca.tasks.batch import Batch
from nca.tasks.display import Display
from nca.tasks.task import Task
from nca.types import Natural, Size

BLOCK = 16
"""First states are asked of the task in blocks of so many samples."""

MOST_SAMPLES = 100_000
MOST_CELLS = 1 << 22


@dataclass(frozen=True)
class PlayStart:
    """Where a history begins.

    Attributes:
        kind: `task`: as the task starts a test sample; `noise`: each number 0 or 1 by chance;
            `point`: 1 in the middle cell; `empty`: zeros. Input levels keep the task's sample.
        sample: The number of the task's sample, from 0.
    """

    kind: Literal["task", "noise", "point", "empty"] = "task"
    sample: Annotated[Natural, Le(MOST_SAMPLES)] = 0

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}


@dataclass(frozen=True)
class PlayedModel:
    """What is played.

    Attributes:
        name: What a person calls it.
        recipe: Its whole truth.
        trained: Whether its weights come from a checkpoint.
        automaton: As the recipe has it; turned copies of it let time pass.
        task: What it is for, prepared; None: nothing.
        device: Where it runs.
        size: Cells along each axis of the grid.
        iteration: How many updates lie behind its weights.
        pause: Where it pauses, if it was measured not to hold.
    """

    name: str
    recipe: Recipe
    trained: bool
    automaton: Automaton
    task: Task | None
    device: torch.device
    size: Size
    iteration: int = 0
    pause: PausePoint | None = None
    controls: Mapping[str, Control] = field(init=False, repr=False)
    tuned: Callable[[tuple[tuple[str, Value], ...]], Automaton] = field(init=False, repr=False)
    pattern: Callable[[str], Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the controls off the automaton."""
        object.__setattr__(self, "controls", controls_of(self.automaton))
        cached = lru_cache(maxsize=8)(lambda items: with_controls(self.automaton, dict(items)))
        object.__setattr__(self, "tuned", cached)
        object.__setattr__(self, "pattern", lru_cache(maxsize=4)(self._read_pattern))

    @classmethod
    def load(
        cls,
        source: str,
        device: torch.device,
        *,
        size: Size | None = None,
        overrides: tuple[str, ...] = (),
        data: Path | None = None,
        progress: Progress = SILENT,
    ) -> "PlayedModel":
        """Load what is played.

        Args:
            source: A checkpoint, a run's folder, or the name of a checkpoint, recipe or rule.
            device: Where it shall run.
            size: Cells along each axis, instead of the recipe's.
            overrides: `table.key=value`.
            data: Folder of data sets.
            report: Called with the progress of the task's preparation.
            progress: Where it is reported how far the task's preparation is.

        Raises:
            NCAError: What loading, checking or preparing raises.
        """
        iteration, pausing = 0, None
        if is_checkpoint(source):
            loaded = Trained.load(source, device, overrides, PLAYED)
            recipe, automaton = loaded.recipe, loaded.automaton
            task = loaded.task if recipe.tables.task else None
            iteration, pausing = loaded.checkpoint.iteration, pause(loaded)
        else:
            recipe = _recipe(source, overrides, size)
            automaton = recipe.automaton().to(device).eval()
            recipe = recipe.decided(automaton, device)
            task = recipe.task().to(device).eval() if recipe.tables.task else None
        size = _checked(size or recipe.tables.grid.size, recipe)
        if task is not None:
            if size != recipe.tables.grid.size:
                task.resize(size)
            with recipe.blaming_task():
                task.prepare(device, data, progress)
            task.to(device)
        trained = is_checkpoint(source)
        return cls(recipe.name, recipe, trained, automaton, task, device, size, iteration, pausing)

    @property
    def more(self) -> bool:
        """Whether the task has more pictures than one."""
        if self.task is None:
            return False
        own = type(self.task)
        return own.pictures is not Task.pictures or own.targets is not Task.targets

    @cached_property
    def shown(self) -> Display:
        """How the task wants it shown."""
        if self.task is None:
            return Display(self.automaton.layout.zeros(1, self.size))
        return self.task.display()

    @property
    def is_hexagonal(self) -> bool:
        """Whether its cells are drawn as hexagons lie."""
        return self.shown.lattice == "hexagonal" and len(self.size) == 2

    @property
    def shown_level(self) -> str:
        """The level that the task shows, or the top one that rules write to."""
        look = self.shown.look
        levels = list(self.automaton.writable_levels) or list(self.automaton.layout)
        return levels[-1] if look is None else look.level

    @cached_property
    def holdings(self) -> dict[str, Holding]:
        """What each level holds, by its name."""
        return holdings(self.automaton, self.shown.look)

    @property
    def has_patterns(self) -> bool:
        """Whether patterns can be laid on the grid, and saved from it."""
        return self.task is not None and self.task.has_patterns

    def _read_pattern(self, text: str) -> Tensor:
        """Return what a text describes, `(C, *cells)`; `pattern` keeps the last few.

        Raises:
            NCAError: It is no pattern, or a larger one than the grid.
        """
        found = self.patterned.read_pattern(text)
        channels, *cells = found.shape
        if channels != self.automaton.layout[self.shown_level].channels:
            raise ShapeError(
                f"the pattern has {channels} channels.",
                where=f"level {self.shown_level!r} has "
                f"{self.automaton.layout[self.shown_level].channels}",
                to_do="give a pattern of this automaton",
            )
        scale = self.automaton.layout[self.shown_level].scale
        sides = [have * scale for have in cells]
        if any(have > side for have, side in zip(sides, self.size, strict=True)):
            raise ShapeError(
                f"the pattern has {'x'.join(map(str, cells))} cells.",
                where=f"the grid has {'x'.join(map(str, size_at(self.size, scale)))}",
                to_do=f"play on a larger one: --size {'x'.join(map(str, sides))}",
            )
        return found.to(self.device)

    @property
    def patterned(self) -> Task:
        """The task, which has patterns.

        Raises:
            ShapeError: There is no such task.
        """
        if self.task is None or not self.has_patterns:
            raise ShapeError(
                "nothing here takes or gives patterns.",
                where=f"{self.name}, {'whose task has' if self.task else 'which has no task with'} "
                "none",
                to_do="paint on a level, or play a recipe whose task has patterns",
            )
        return self.task

    @property
    def input_change(self) -> InputChange:
        """What the cells do when their input changes."""
        return input_change(self.recipe)

    @cached_property
    def _blank(self) -> dict[str, Tensor]:
        """The input levels with nothing on them, by name; none, unless one may draw on them."""
        if self.task is None or "input" not in self.task.roles:
            return {}
        first = self.task.display().first
        inputs = [name for name, level in self.automaton.layout.items() if level.input]
        return {name: first[name].to(self.device) for name in inputs}

    def is_blank(self, state: State) -> bool:
        """Return whether nothing is drawn on the input."""
        blank = self._blank
        return bool(blank) and all(
            torch.allclose(state[name], empty.to(state[name]), atol=1e-5)
            for name, empty in blank.items()
        )

    @cached_property
    def numbers(self) -> int:
        """How many numbers its state holds."""
        layout = self.automaton.layout
        sizes = layout.sizes(self.size)
        return sum(level.channels * math.prod(sizes[name]) for name, level in layout.items())

    @property
    def fingerprint(self) -> int:
        """A number that changes with the recipe's levels and with every weight."""
        return fingerprint(self.automaton)

    @torch.no_grad()
    def first(self, start: PlayStart, random_seed: int) -> Snapshot:
        """Return the snapshot at which a history begins.

        Raises:
            ShapeError: The task has no such sample.
        """
        batch = self._sample(start.sample)
        state = batch.state.replace(random_seed=random_seed)
        if start.kind != "task" or self.task is None:
            levels = {
                name: torch.zeros_like(state[name]) for name in self.automaton.writable_levels
            }
            for name, level in levels.items():
                if start.kind in ("noise", "task"):
                    size = state.size(name)
                    drawn = state.rng.chance(f"play/{name}", 0.5, level.shape[1], size)
                    levels[name] = drawn.to(level.dtype)
                elif start.kind == "point":
                    scale = self.automaton.layout[name].scale
                    middle = (side // 2 // scale for side in self.size)
                    level[(slice(None), slice(None), *middle)] = 1
            state = state.replace(levels)
        return Snapshot(Batch(state, batch.truth), state)

    @torch.no_grad()
    def next(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot one step later, without events."""
        with self.recipe.autocast(self.device):
            state = self.turned(snapshot).step(snapshot.state)
        return snapshot.with_state(state)

    def turned(self, snapshot: Snapshot) -> Automaton:
        """Return the automaton with its controls as they stand."""
        return self.tuned(tuple(sorted(snapshot.controls.items())))

    def check_sample(self, number: int) -> None:
        """Refuse a sample that the task does not have.

        Raises:
            ShapeError: It is one.
        """
        if self.task is not None and not self._samples.has(number):
            raise ShapeError(
                f"the task has no sample {number}.",
                where=f"{type(self.task).__name__}, test data: {self._samples.count} samples",
                to_do="choose a smaller number",
            )

    @cached_property
    def _samples(self) -> "SampleCount":
        assert self.task is not None
        return SampleCount(self.task)

    def _sample(self, number: int) -> Batch:
        if self.task is None:
            return Batch(draw_needed(self.automaton, self.automaton.seed(1, self.size)))
        for place, batch in enumerate(self.task.evaluation_batches("test", BLOCK)):
            ask()
            if place == number // BLOCK and number % BLOCK < batch.state.batch:
                return batch.select(slice(number % BLOCK, number % BLOCK + 1))
            if place >= number // BLOCK:
                break
        self.check_sample(number)
        raise AssertionError("a task that has fewer samples than before")


class SampleCount:
    """The number of samples of a task, counted as far as anybody has asked.

    Args:
        task: What has the samples.
    """

    def __init__(self, task: Task) -> None:
        self.count = 0
        self._blocks = task.evaluation_batches("test", BLOCK)

    def has(self, number: int) -> bool:
        """Return whether there is a sample of this number."""
        while self.count <= number:
            ask()
            if (block := next(self._blocks, None)) is None:
                return False
            self.count += block.state.batch
        return True


def is_checkpoint(source: str) -> bool:
    """Return whether a source is a checkpoint, and not a recipe or rule."""
    path = Path(source)
    if is_file(path):
        return path.suffix not in ENDINGS and in_notation(source) is None
    return (
        source in pretrained()
        or is_file(path / "last.safetensors")
        or is_file(path / "best.safetensors")
    )


def _recipe(source: str, overrides: tuple[str, ...], size: Size | None) -> Recipe:
    alone = source in registry.names("rule") and source not in recipes()
    if is_file(Path(source)) or not alone or _in_notation(source):
        if size:
            overrides = (*overrides, f"grid.size={list(size)}")
        return read_recipe(source, overrides, reads=PLAYED)
    return rule_alone(source, overrides, size)


def _in_notation(rule: str) -> bool:
    """Return whether the name of a rule of few states stands for a recipe with more than it."""
    return registry.get("rule", rule).needs.states == "binary" and in_notation(rule) is not None


def rule_alone(name: str, overrides: tuple[str, ...] = (), size: Size | None = None) -> Recipe:
    """Return a recipe of a rule that is alone on one level.

    Args:
        name: The rule.
        overrides: `table.key=value`.
        size: Cells along each axis; as many as suit if None.

    Raises:
        NCAError: There is no such rule, or it needs other levels or options.
    """
    faults: list[NCAError] = []
    needs = registry.get("rule", name).needs
    channels = needs.channels or needs.least_channels
    suiting = (len(size),) if size else [axes for axes in (2, 1, 3) if axes in needs.axes]
    for axes in suiting:
        cells = size or ((128,) if axes == 1 else (64,) * axes)
        try:
            recipe = _alone(name, channels, cells, overrides)
            recipe.automaton()
        except NCAError as fault:  # a rule may insist on its number of axes
            faults.append(fault)
        else:
            return recipe
    raise faults[0]


def _alone(rule: str, channels: int, size: Size, overrides: tuple[str, ...]) -> Recipe:
    text = (
        f"format = 1\n\n[grid]\nsize = {list(size)}\n\n"
        f'[[levels]]\nname = "cells"\nchannels = {channels}\nrules = [{{ name = "{rule}" }}]\n\n'
        "[rollout]\nsteps = 1\n"
    )
    return Recipe.parse(text, name=rule, folder=Path(), overrides=overrides, source=rule)


def _checked(size: Size, recipe: Recipe) -> Size:
    axes = len(recipe.tables.grid.size)
    if len(size) != axes or math.prod(size) > MOST_CELLS:
        raise ShapeError(
            f"a grid of {'x'.join(map(str, size))} cells cannot be played.",
            where=f"--size; the recipe's grid is {list(recipe.tables.grid.size)}",
            to_do=f"give {axes} side{'s' * (axes > 1)}, at most {MOST_CELLS} cells",
        )
    size_at(size, recipe.layout.coarsest)
    return size
