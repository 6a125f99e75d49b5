"""A trained automaton in Python: load, train, roll out, evaluate, draw, save.

    model = nca.load("runs/NAME-1")
    state = model.rollout(model.seed(), 96)
    model.image(state)                      # a picture, which a notebook shows
    model.film(96).save("film.gif")
    model.evaluate()

`nca.load` takes what the command line takes: the name of a shipped checkpoint, a file, or a run's
folder. Nothing that a checkpoint carries is executed unless it is trusted.
"""

import copy
import html
import warnings
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import torch
from PIL.Image import Image

from nca.checkpoint.file import MODULES
from nca.checkpoint.read import load_carried
from nca.checkpoint.trained import Trained
from nca.checkpoint.trained_conditions import pause
from nca.device import pick_device
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import NCAWarning
from nca.evaluation.finish_run import evaluate_trained
from nca.evaluation.predict import (
    demand_any_size,
    demand_predictions,
    picture_files,
    predict,
    seen_files,
)
from nca.files import user_path
from nca.model.build import describe_trained, write_export
from nca.model.film import RATE, Film
from nca.model.given import data_folder, know
from nca.model.notebook import progress_here
from nca.model.playing import Playing, play
from nca.model.reports import examine, find_islands
from nca.play.model import PlayedModel
from nca.progress import Progress
from nca.recipe.overrides import as_overrides
from nca.recipe.recipe import Recipe
from nca.registry.discovery import discover
from nca.render.collect import CollectedStates
from nca.reports.report import Report
from nca.tasks.batch import Batch
from nca.tasks.prediction import Prediction
from nca.tasks.task import Task
from nca.types import Size, Split, Steps


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
        **tables: Any,
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
            tables: Keys by table, `rollout={"fire_rate": 0.3}`, beside the overrides.

        Raises:
            CheckpointError: It is missing, damaged, foreign or does not fit.
            NCAError: An override can have no effect.
            RecipeError: Its recipe needs a plugin that is not here, or the overrides do not fit.
        """
        plugins = [Path(file) for file in plugins]
        know(plugins)
        if trust:
            load_carried(str(source), plugins)
        changed = as_overrides(overrides, tables)
        trained = Trained.load(str(source), pick_device(device), changed)
        return cls(trained, data_folder(data))

    @classmethod
    def from_automaton(
        cls,
        automaton: Automaton,
        *,
        name: str = "automaton",
        size: Size = (64, 64),
        steps: Steps = 64,
    ) -> "Model":
        """Return a model of an automaton that was built in Python: it has no task.

        Its recipe is read off the automaton: levels, rules with their options, conditions. So its
        rules must be registered (`nca.register.rule`).

        Args:
            automaton: It stays the very same, and is put into evaluation mode.
            name: What the model shall be called.
            size: Cells along each axis of the grid.
            steps: How many a rollout has if none are given.

        Raises:
            NCAError: A rule is not registered, or could not be built again from its options.
            RecipeError: The name, size or steps make no recipe.
        """
        discover()
        return cls(describe_trained(automaton, name=name, size=size, steps=steps))

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
        self, split: Split = "test", *, progress: Progress | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Return what is measured after each of the recipe's moments, as `nca evaluate` prints it.

        Args:
            split: `test`, or `held_out`.
            progress: Where it is reported how far it is; a bar in notebooks, if not given.
            **options: `steps`, `samples`, `fire_rate`; see `nca.evaluation.evaluate`.

        Raises:
            DataError: The task's data cannot be had.
        """
        self._prepare()
        rows = evaluate_trained(self._trained, split, progress or progress_here(), **options)
        return [row.to_json() for row in rows]

    def predict(
        self,
        *files: str | Path,
        steps: Steps | None = None,
        repeats: int = 4,
        fire_rate: float | None = None,
        batch: int = 16,
        side: int | None = None,
    ) -> list[tuple[str, Prediction]]:
        """Return what is said of pictures, each with its name, as `nca predict` has it.

        Args:
            *files: Pictures, or folders of them.
            steps: How many steps it takes; if not given, as many as the recipe evaluates first.
            repeats: Rollouts with other fire masks; their spread is in what is said.
            fire_rate: Use this chance instead of the automaton's own.
            batch: At most so many pictures at once.
            side: Pixels along the longer side beyond which a picture is shrunk to so many.

        Raises:
            NCAError: The task takes no picture as its input, or shrinks each one to its grid.
            PictureError: A file is missing, or a folder has no picture. One that cannot be read is
                left out, and a warning says so.
        """
        demand_predictions(self._trained)
        if side is not None:
            demand_any_size(self._trained)
        found = picture_files([user_path(Path(file)) for file in files])
        how = {"steps": self._steps(steps), "repeats": repeats, "fire_rate": fire_rate}
        seen = seen_files(self._trained, found, batch, side)
        return [one for each in seen for one in predict(self._trained, each, **how)]

    def islands(
        self,
        *images: str | Path,
        steps: Steps | None = None,
        samples: int = 200,
        split: Split = "test",
        threshold: float = 0.9,
        progress: Progress | None = None,
    ) -> Report:
        """Return whether cells agree in islands that grow and nest, as `nca islands` reports it.

        Args:
            *images: Pictures to measure on, in place of data.
            steps: When it is measured; if not given, as many as the recipe evaluates first.
            samples: How many of the data; 0: all.
            split: Of which data.
            threshold: Least cosine inside an island.
            progress: Where it is reported how far it is; a bar in notebooks, if not given.

        Raises:
            DataError: The task's data cannot be had.
            OptionError: A number is out of its range.
            PictureError: A file is missing or no picture.
            ShapeError: The grid has not two axes.
        """
        how = {"steps": steps, "samples": samples, "split": split, "threshold": threshold}
        self._prepare()
        return find_islands(self._trained, images, progress or progress_here(), **how)

    def examine(
        self,
        *checks: str,
        quick: bool = False,
        steps: Steps | None = None,
        seeds: int = 8,
        samples: int = 64,
        split: Split = "test",
        long_steps: Steps = 10_000,
        progress: Progress | None = None,
    ) -> Report:
        """Return how robust the automaton is, as `nca examine` reports it.

        Args:
            *checks: Which, such as `damage`; all of them if none are named.
            quick: Whether at most three random seeds, and fewer samples, shall do.
            steps: Take these for the trained steps.
            seeds: How many random seeds.
            samples: Per random seed, at most.
            split: Of which data.
            long_steps: Steps of the long run.
            progress: Where it is reported how far it is; a bar in notebooks, if not given.

        Raises:
            DataError: The task's data cannot be had.
            NCAError: There is no check of this name.
            OptionError: A number is out of its range.
        """
        how = {"quick": quick, "steps": steps, "seeds": seeds, "samples": samples}
        how |= {"split": split, "long_steps": long_steps}
        self._prepare()
        return examine(self._trained, checks, self._data, progress or progress_here(), **how)

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

    def export(
        self,
        file: str | Path,
        *,
        engine: Literal["webgl", "onnx"] = "webgl",
        check: bool = True,
        steps: Steps = 20,
    ) -> Path:
        """Write the automaton as a page, ONNX, C or a plain module, and return where it is.

        Args:
            file: The ending says which: .html, .onnx or .c, or none: a folder of `automaton.py` and
                `weights.safetensors`. What was there is replaced.
            engine: How a page computes; see `nca help export`.
            check: Whether to compare it with torch first.
            steps: Steps of each comparison.

        Raises:
            ExportError: The automaton cannot be exported, or strays from torch; then nothing is
                written.
            NCAError: The ending is another one.
            StorageError: The file cannot be written.
        """
        path = user_path(Path(file))
        write_export(self._trained, path, engine=engine, check=check, steps=steps)
        return path

    def play(self, *, random_seed: int | None = None, hosts: Sequence[str] = ()) -> Playing:
        """Serve the live page of the automaton; a notebook shows it in a frame.

        What is played is a copy of it as it is now.

        Args:
            random_seed: Of all randomness; the recipe's if not given.
            hosts: Under which names a proxy asks for the page, if the kernel is remote.

        Raises:
            DataError: The task's data cannot be had.
            NCAError: What serves pages is not installed: `pip install "nca[play]"`.
        """
        tables = self.recipe.tables
        if tables.task:
            self._prepare()
        automaton = copy.deepcopy(self.automaton)
        task = copy.deepcopy(self.task) if tables.task else None
        iteration, size = self._trained.checkpoint.iteration, tables.grid.size
        about = (self.device, size, iteration, pause(self._trained))
        played = PlayedModel(self.name, self.recipe, True, automaton, task, *about)
        return play(played, tables.random_seed if random_seed is None else random_seed, hosts)

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


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


load = Model.load
