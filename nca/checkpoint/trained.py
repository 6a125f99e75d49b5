"""A trained automaton as one loads it to evaluate, render or look into."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nca.checkpoint.file import MODULES, Checkpoint
from nca.checkpoint.outline import outline
from nca.checkpoint.overridden import apply_overrides
from nca.checkpoint.read import read_checkpoint
from nca.checkpoint.reads import ALL, Reads
from nca.device import hardware
from nca.engine.automaton import Automaton
from nca.progress import SILENT, Progress
from nca.recipe.recipe import Recipe
from nca.tasks.task import Task


@dataclass(frozen=True)
class Trained:
    """Automaton and task of a checkpoint, with their weights.

    Attributes:
        path: The file.
        checkpoint: What it says of itself.
        recipe: The recipe in it, with overrides.
        automaton: With its weights, averaged ones if there are any, in evaluation mode.
        task: Likewise.
        device: Where they are.
    """

    path: Path
    checkpoint: Checkpoint
    recipe: Recipe
    automaton: Automaton
    task: Task
    device: torch.device

    @classmethod
    def load(
        cls,
        source: str,
        device: torch.device,
        overrides: tuple[str, ...] = (),
        reads: Reads = ALL,
    ) -> "Trained":
        """Load a checkpoint; the task is not prepared yet.

        Args:
            source: A file, a run's folder, or a name.
            device: Where automaton and task shall be.
            overrides: `table.key=value`.
            reads: What will be read of the recipe; other overrides are refused.

        Raises:
            CheckpointError: It is missing, damaged, foreign or does not fit.
            NCAError: An override can have no effect.
            RecipeError: Its recipe needs a plugin that is not here, or the overrides do not fit.
        """
        checkpoint, recipe, path = read_checkpoint(source, overrides)
        given = checkpoint
        checkpoint = apply_overrides(checkpoint, path, recipe, reads=reads)
        average = {n: t for n, t in checkpoint.part("average").items() if n in checkpoint.tensors}
        averaged = Checkpoint(
            **{**checkpoint.__dict__, "tensors": {**checkpoint.tensors, **average}}
        )
        builders = (recipe.automaton, recipe.task)
        for name, build in zip(MODULES, builders, strict=True):  # before memory is taken for it
            averaged.check_shapes(outline(build), name, path)
        automaton, task = recipe.automaton(), recipe.task()
        for name, module in zip(MODULES, (automaton, task), strict=True):
            averaged.load(module, name, path)
            module.to(device).eval()
        # weights that were trained in float32 have never met another precision
        known = None if checkpoint.precision == "bfloat16" else "float32"
        recipe = recipe.decided(automaton, device, known)
        return cls(path, given, recipe, automaton, task, device)

    def untrained(self) -> "Trained":
        """Return the same recipe with the weights that its random seed gives, to compare with."""
        automaton, task = self.recipe.automaton(), self.recipe.task()
        for module in (automaton, task):
            module.to(self.device).eval()
        return replace(self, automaton=automaton, task=task)

    @property
    def place(self) -> str:
        """Where it runs and in which precision, in words."""
        choice = self.recipe.precision
        products = f", products in {choice.name}" if choice and choice.name != "float32" else ""
        return f"{hardware(self.device)}{products}"

    def prepare(self, data: Path | None, progress: Progress = SILENT) -> None:
        """Let the task load what it needs.

        Raises:
            DataError: Its data cannot be had.
            RecipeError: They do not fit the recipe.
        """
        with self.recipe.blaming_task():
            self.task.prepare(self.device, data, progress)
