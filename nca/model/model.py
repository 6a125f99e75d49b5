"""A trained automaton in Python: load, train, roll out, evaluate, draw, save.

    model = nca.load("runs/NAME-1")
    state = model.rollout(model.seed(), 96)
    model.image(state)                      # a picture, which a notebook shows
    model.film(96).save("film.gif")
    model.evaluate()

`nca.load` takes what the command line takes: the name of a shipped checkpoint, a file, or a run's
folder. Nothing that a checkpoint carries is executed unless it is trusted.
"""

import html
import warnings
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from nca.checkpoint.file import MODULES
from nca.checkpoint.read import load_carried, read_recipe, write_copies
from nca.checkpoint.trained import Trained
from nca.device import pick_device
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import NCAWarning
from nca.evaluation.finish_run import evaluate_trained, finish_run
from nca.files import user_path, write_whole
from nca.progress import SILENT, Progress
from nca.recipe.overrides import as_overrides
from nca.recipe.recipe import Recipe
from nca.registry.discovery import discover, load_file
from nca.render.animation import encode
from nca.render.collect import CollectedStates
from nca.tasks.batch import Batch
from nca.tasks.task import Task
from nca.training.choices import make_choices
from nca.training.loop import train as train_run
from nca.training.run import Run
from nca.types import Split

RATE = 12.0
"""Frames per second of a film."""


@dataclass(frozen=True)
class Film:
    """Frames of a rollout; a notebook shows them moving.

    Attributes:
        frames: One picture for each state, all of one size.
        rate: Frames per second.
    """

    frames: tuple[Image, ...]
    rate: float = RATE

    def save(self, file: str | Path) -> Path:
        """Write the film, and return where it is.

        Args:
            file: The ending says the format: .gif, .apng, .webp, .mp4. What was there is replaced.

        Raises:
            NCAError: The ending is unknown, or there is no ffmpeg for an MP4.
            StorageError: The file cannot be written.
        """
        path = user_path(Path(file))
        write_whole(path, encode(self.frames, path.name, self.rate))
        return path

    def _repr_html_(self) -> str:
        content = b64encode(encode(self.frames, "film.gif", self.rate)).decode()
        return f'<img alt="{len(self.frames)} states" src="data:image/gif;base64,{content}">'


class Model:
    """A trained automaton with its task, as `nca.load` and `nca.train` return it.

    Args:
        trained: What was loaded.
        data: Folder of data sets, or None: where they are looked for.
    """

    def __init__(self, trained: Trained, data: Path | None = None) -> None:
        self._trained, self._data, self._prepared = trained, data, False

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        overrides: Mapping[str, Any] | Iterable[str] = (),
        device: str = "auto",
        data: str | Path | None = None,
        plugins: Iterable[str | Path] = (),
        trust: bool = False,
    ) -> "Model":
        """Load a trained automaton.

        Args:
            source: The name of a shipped checkpoint, a .safetensors file, or a run's folder.
            overrides: Keys of the recipe that shall be others: `{"rollout.fire_rate": 0.3}`, or
                `["rollout.fire_rate=0.3"]`.
            device: `auto`, `cpu`, `cuda`, or `cuda:N`.
            data: Folder of data sets.
            plugins: Plugin files to execute first.
            trust: Whether to execute the plugin files that it carries; only if you trust its maker.

        Raises:
            CheckpointError: It is missing, damaged, foreign or does not fit.
            NCAError: An override can have no effect.
            RecipeError: Its recipe needs a plugin that is not here, or the overrides do not fit.
        """
        plugins = [Path(file) for file in plugins]
        _know(plugins)
        if trust:
            load_carried(str(source), plugins)
        trained = Trained.load(str(source), pick_device(device), as_overrides(overrides))
        return cls(trained, _folder(data))

    @classmethod
    def train(
        cls,
        recipe: str | Path,
        *,
        overrides: Mapping[str, Any] | Iterable[str] = (),
        out: str | Path | None = None,
        device: str = "auto",
        data: str | Path | None = None,
        plugins: Iterable[str | Path] = (),
        progress: Progress = SILENT,
    ) -> "Model":
        """Train a recipe as `nca run` does, and return its best weights, evaluated on test data.

        Args:
            recipe: The name of a recipe, or a .toml file.
            overrides: Keys of it that shall be others: `{"train.iterations": 500}`.
            out: The run's folder, which must not hold a run; if not given, the next `runs/NAME-N`.
            device: `auto`, `cpu`, `cuda`, or `cuda:N`.
            data: Folder of data sets.
            plugins: Plugin files to execute first.
            progress: Where it is reported how far it is.

        Raises:
            RecipeError: Everything that is wrong with the recipe.
            DataError: The task's data cannot be had.
            DivergedError: The loss is not finite any more.
            StorageError: The folder is taken, or cannot be written.
        """
        files = [Path(file) for file in plugins]
        _know(files)
        checked = read_recipe(str(recipe), as_overrides(overrides), files)
        checked.training()
        checked.check()
        place, folder = pick_device(device), None if out is None else user_path(Path(out))
        run = Run.start(checked, folder, place, _folder(data), progress)
        try:
            write_copies(run.recipe.files, run.folder, progress)
            make_choices(run, progress)
            train_run(run, progress)
            finish_run(run, _folder(data), progress)
        finally:
            run.close()
        return cls(Trained.load(str(run.folder / "best.safetensors"), place), _folder(data))

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self._trained.recipe.name

    @property
    def automaton(self) -> Automaton:
        """The automaton, in evaluation mode."""
        return self._trained.automaton

    @property
    def task(self) -> Task:
        """What it was trained for; it has its data as soon as they were asked for."""
        return self._trained.task

    @property
    def recipe(self) -> Recipe:
        """The recipe in the checkpoint, with overrides."""
        return self._trained.recipe

    @property
    def device(self) -> torch.device:
        """Where automaton and task are."""
        return self._trained.device

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        modules = (self.automaton, self.task)
        return sum(weight.numel() for module in modules for weight in module.parameters())

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What was measured when it was trained."""
        return self._trained.checkpoint.metrics

    def seed(self, batch: int = 1, *, random_seed: int | None = None) -> State:
        """Return first states as the task evaluates them: a seed, or pictures of the test data.

        Args:
            batch: At most so many.
            random_seed: Of all randomness from there on; the recipe's if not given.

        Raises:
            DataError: The task's data cannot be had.
        """
        state = self._batch("test", batch).state
        return state if random_seed is None else state.replace(random_seed=random_seed)

    @torch.no_grad()
    def rollout(self, state: State, steps: int | None = None) -> State:
        """Let steps pass without gradient, and return the last state.

        Args:
            state: Where they start.
            steps: How many; if not given, as many as the recipe evaluates first.
        """
        with self.recipe.autocast(self.device):
            return self.automaton.rollout(state, self._steps(steps))

    def evaluate(
        self, split: Split = "test", *, progress: Progress = SILENT, **options: Any
    ) -> list[dict[str, Any]]:
        """Return what is measured after each of the recipe's moments, as `nca evaluate` prints it.

        Args:
            split: `test`, or `held_out`.
            progress: Where it is reported how far it is.
            **options: `steps`, `samples`, `fire_rate`; see `nca.evaluation.evaluate`.

        Raises:
            DataError: The task's data cannot be had.
        """
        self._prepare()
        rows = evaluate_trained(self._trained, split, progress, **options)
        return [row.to_json() for row in rows]

    def image(self, state: State, *, levels: bool = False, scale: int | None = None) -> Image:
        """Return a picture of a state, as the task draws it.

        Args:
            state: Of at least one sample.
            levels: Whether to draw all levels of the first sample instead.
            scale: Pixels along each side of a cell; as many as look well if not given.
        """
        shown = CollectedStates(self._trained, levels, None, None)
        shown.keep(Batch(self.automaton.finish(state)))
        return shown.sheet().image(scale)

    @torch.no_grad()
    def film(
        self,
        steps: int | None = None,
        *,
        state: State | None = None,
        batch: int = 1,
        every: int = 1,
        scale: int | None = None,
        rate: float = RATE,
    ) -> Film:
        """Return a film of a rollout.

        Args:
            steps: How many; if not given, as many as the recipe evaluates first.
            state: Where it starts; `seed(batch)` if not given.
            batch: How many samples are shown side by side.
            every: Steps between frames.
            scale: Pixels along each side of a cell; as many as look well if not given.
            rate: Frames per second.

        Raises:
            DataError: The task's data cannot be had.
        """
        first = Batch(state) if state is not None else self._batch("test", batch)
        shown = CollectedStates(self._trained, False, None, None)
        with self.recipe.autocast(self.device):
            for each in self.automaton.trajectory(first.state, self._steps(steps), every):
                shown.keep(Batch(self.automaton.finish(each), first.truth))
        with warnings.catch_warnings():  # which speak of the command line
            warnings.simplefilter("ignore", NCAWarning)
            pixels = scale or shown.scale(True, None)
        return Film(tuple(shown.frames(pixels, None)), rate)

    def save(self, file: str | Path) -> Path:
        """Write a checkpoint with the weights as they are now, and return where it is.

        Args:
            file: A .safetensors file. What was there is replaced.

        Raises:
            StorageError: The file cannot be written.
        """
        path, before = user_path(Path(file)), self._trained.checkpoint
        tensors = {n: t for n, t in before.tensors.items() if n.startswith("files.")}
        for name, module in zip(MODULES, (self.automaton, self.task), strict=True):
            tensors |= {f"{name}.{key}": tensor for key, tensor in module.state_dict().items()}
        written = replace(
            before, recipe=self.recipe.text, overrides=self.recipe.overrides, tensors=tensors
        )
        written.write(path)
        return path

    def _repr_html_(self) -> str:
        facts = f"{self.parameters:,} parameters on {self._trained.place}"
        rows = self.metrics.get("test") or self.metrics.get("held_out") or []
        lines = [", ".join(f"{key} {_short(value)}" for key, value in row.items()) for row in rows]
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        name, facts = html.escape(self.name), html.escape(facts)
        return f"<p><b>{name}</b>: {facts}</p><ul>{items}</ul>{self._picture()}"

    def _picture(self) -> str:
        """Return the state after the first moment as an image, if its data are at hand."""
        if not self._prepared:
            return ""
        content = BytesIO()
        self.image(self.rollout(self.seed(4))).save(content, "PNG")
        source = b64encode(content.getvalue()).decode()
        return f'<img alt="what it does" src="data:image/png;base64,{source}">'

    def __repr__(self) -> str:
        """Return name, parameters and device."""
        return f"Model({self.name}, {self.parameters:,} parameters on {self.device})"

    def _steps(self, steps: int | None) -> int:
        return self.recipe.evaluation_steps[0] if steps is None else steps

    def _batch(self, split: Split, count: int) -> Batch:
        self._prepare()
        return self.task.first_evaluation_batch(split, count)

    def _prepare(self) -> None:
        if not self._prepared:
            self._trained.prepare(self._data)
            self._prepared = True


def _know(plugins: Iterable[Path]) -> None:
    """Make the names known that installed packages and plugin files register."""
    discover()
    for file in plugins:
        load_file(file)


def _folder(data: str | Path | None) -> Path | None:
    return None if data is None else user_path(Path(data))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


load, train = Model.load, Model.train
