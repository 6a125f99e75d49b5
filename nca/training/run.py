"""A run: the folder, the modules and the counters that training moves forward.

All that training depends on is in here and goes into `last.safetensors`: weights, optimiser,
averaged weights, pool and iteration. Everything else follows from the recipe, since randomness
is counted. So a run that was killed goes on as if nothing had happened.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nca.checkpoint.file import MODULES, Checkpoint, weights
from nca.distributed.group import SINGLE, ProcessGroup
from nca.engine.automaton import Automaton
from nca.engine.rng import HostRNG
from nca.errors import CheckpointError, ShapeError
from nca.files import make_folder, write_whole
from nca.progress import Progress
from nca.recipe.recipe import Recipe
from nca.recipe.tables import Train
from nca.tasks.pool import Pool
from nca.tasks.task import Task
from nca.training.ema import EMA
from nca.training.log import MetricsLog

POOL_SAMPLES = 1 << 40
"""The pool's first states have sample numbers that no iteration reaches."""


@dataclass
class Run:
    """One training run.

    Attributes:
        recipe: Its whole truth.
        folder: Where its files lie.
        device: Where it runs.
        modules: The automaton and the task, by name.
        optimiser: Over all their parameters.
        ema: Averaged weights, if the recipe asks for them.
        pool: States that outlive their iteration, if the recipe asks for them.
        iteration: How many updates lie behind.
        best: The headline of the best checkpoint so far.
        group: The processes that share it; the leader alone writes.
    """

    recipe: Recipe
    folder: Path
    device: torch.device
    modules: nn.ModuleDict
    optimiser: torch.optim.Optimizer
    ema: EMA | None = None
    pool: Pool | None = None
    iteration: int = 0
    best: float | None = None
    group: ProcessGroup = SINGLE
    log: MetricsLog = field(default=None)  # pyright: ignore[reportAssignmentType]

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        data: Path | None,
        progress: Progress,
        group: ProcessGroup = SINGLE,
    ) -> "Run":
        """Build a run at its beginning and make its folder.

        Raises:
            StorageError: The folder cannot be made.
            ProcessError: Its batch cannot be split among the processes.
            NCAError: What the task raises while it loads its data.
        """
        run = cls.build(recipe, folder, device, data, progress, group)
        if group.is_leader:
            run._make_folder()
        run.log = MetricsLog(folder / "metrics.jsonl", 0, writes=group.is_leader)
        run.save()
        return run

    @classmethod
    def resume(
        cls,
        folder: Path,
        device: torch.device,
        data: Path | None,
        progress: Progress,
        overrides: tuple[str, ...] = (),
        group: ProcessGroup = SINGLE,
    ) -> "Run":
        """Continue a run from its last checkpoint, whatever the number of processes was.

        Raises:
            CheckpointError: There is none, or it is damaged.
            ProcessError: Its batch cannot be split among the processes.
        """
        path = folder / "last.safetensors"
        if not folder.is_dir():
            raise CheckpointError(
                "there is no such run.", where=str(folder), to_do="give a run's folder: runs/NAME"
            )
        for leftover in folder.glob(".*.part") if group.is_leader else ():
            leftover.unlink()
        checkpoint = Checkpoint.read(path)
        recipe = checkpoint.parsed(path, overrides)
        run = cls.build(recipe, folder, device, data, progress, group)
        for name in MODULES:
            checkpoint.load(run.modules[name], name, path)
        run._restore(checkpoint, path)
        run.log = MetricsLog(folder / "metrics.jsonl", run.iteration, writes=group.is_leader)
        return run

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        data: Path | None,
        progress: Progress,
        group: ProcessGroup = SINGLE,
    ) -> "Run":
        """Return a run at its beginning that has no folder yet.

        Raises:
            ProcessError: Its batch cannot be split among the processes.
            NCAError: What the task raises while it loads its data.
        """
        group.check(recipe.training().batch, recipe.training().parts)
        recipe.check_memory(device)
        # resuming to the same bits needs convolutions that always sum in the same order
        torch.backends.cudnn.deterministic = True
        automaton = recipe.automaton()
        automaton.sharding = group.sharding(recipe.tables.grid.size)
        task = recipe.task()
        with group.leader_first():
            task.prepare(device, data, progress)
        modules = nn.ModuleDict({"automaton": automaton, "task": task}).to(device)
        table = recipe.tables.train
        assert table is not None
        optimiser = _optimiser(table, modules.parameters())
        run = cls(recipe, folder, device, modules, optimiser, group=group)
        if table.average:
            run.ema = EMA(modules, table.average)
        if recipe.tables.pool:
            samples = POOL_SAMPLES + torch.arange(recipe.tables.pool.size, device=device)
            run.pool = Pool(task.training_batch(HostRNG(recipe.tables.random_seed, 0), samples))
        return run

    @property
    def automaton(self) -> Automaton:
        """The automaton that is trained."""
        automaton = self.modules["automaton"]
        assert isinstance(automaton, Automaton)
        return automaton

    @property
    def task(self) -> Task:
        """The task that it is trained for."""
        task = self.modules["task"]
        assert isinstance(task, Task)
        return task

    @property
    def table(self) -> Train:
        """The recipe's table on training."""
        table = self.recipe.tables.train
        assert table is not None
        return table

    def save(self) -> None:
        """Write `last.safetensors`: all that is needed to go on, by however many processes."""
        if not self.group.is_leader:
            return
        tensors = weights(automaton=self.automaton, task=self.task)
        for number, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{n}": torch.as_tensor(t) for n, t in moments.items()}
        if self.ema:
            tensors |= {f"average.{n}": t for n, t in self.ema.tensors.items()}
        if self.pool:
            tensors |= {f"pool.{n}": t for n, t in self.pool.tensors().items()}
        self._checkpoint(tensors, {}).write(self.folder / "last.safetensors")

    def save_best(self, metrics: dict[str, Any]) -> None:
        """Write `best.safetensors`: the averaged weights, or those of now, with their metrics."""
        if not self.group.is_leader:
            return
        tensors = weights(automaton=self.automaton, task=self.task)
        if self.ema:
            tensors |= self.ema.tensors
        self._checkpoint(tensors, metrics).write(self.folder / "best.safetensors")

    def _make_folder(self) -> None:
        make_folder(self.folder, "the run's folder", "choose another one: nca run ... --out FOLDER")
        write_whole(self.folder / "recipe.toml", self.recipe.text.encode())

    def _checkpoint(self, tensors: dict[str, Tensor], metrics: dict[str, Any]) -> Checkpoint:
        return Checkpoint(
            name=self.recipe.name,
            recipe=self.recipe.text,
            overrides=self.recipe.overrides,
            iteration=self.iteration,
            metrics=metrics,
            best=self.best,
            tensors=tensors,
        )

    def _restore(self, checkpoint: Checkpoint, path: Path) -> None:
        self.iteration, self.best = checkpoint.iteration, checkpoint.best
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in checkpoint.part("optimiser").items():
            number, key = name.split(".", 1)
            moments.setdefault(int(number), {})[key] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        try:
            if self.ema:
                for name, tensor in self.ema.tensors.items():
                    tensor.copy_(checkpoint.part("average")[name])
            if self.pool:
                self.pool.load(checkpoint.part("pool"))
        except (KeyError, RuntimeError) as fault:
            raise CheckpointError(
                f"the checkpoint lacks what the recipe needs to go on: {fault}.",
                where=str(path),
                to_do="resume without overrides that add a pool or averaged weights",
            ) from fault


def _optimiser(table: Train, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    parameters = list(parameters)
    if not parameters:
        raise ShapeError(
            "there is nothing to train: no rule of the recipe and not its task has weights.",
            where="[[levels]] rules",
            to_do="add a rule with weights; `nca plugins` lists them",
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[table.optimiser]
    return kind(
        parameters,
        lr=table.learning_rate,
        betas=table.betas,
        weight_decay=table.weight_decay,
        fused=True,
    )
