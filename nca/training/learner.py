"""A learner: the modules and the counters that training moves forward.

All that training depends on is in here: weights, optimiser, averaged weights, pool and iteration.
Everything else follows from the recipe, since randomness is counted. So what was taken out as
tensors and is taken up again learns on as if nothing had happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from nca.checkpoint.file import MODULES, Checkpoint, weights
from nca.distributed.agreement import agreed_precision
from nca.distributed.common import in_common
from nca.distributed.group import SINGLE, ProcessGroup
from nca.distributed.pieces import TensorPieces
from nca.engine.automaton import Automaton
from nca.engine.rng import HostRNG
from nca.errors import DivergedError
from nca.progress import Progress
from nca.recipe.precision import Precision
from nca.recipe.recipe import Recipe
from nca.recipe.tables import Train
from nca.tasks.batch import Batch
from nca.tasks.pool import Pool
from nca.tasks.task import Task
from nca.training.ema import EMA
from nca.training.first_step import check_rules
from nca.training.optimiser import make_optimiser
from nca.training.pretrained import TakenWeights, take_weights
from nca.training.restore import restore_faults
from nca.training.run_folder import LAST

POOL_SAMPLES = 1 << 40
"""The pool's first states have sample numbers that no iteration reaches."""

ADVICE = 'lower [train] learning_rate, or set gradient = "normalised" or "clipped"'
"""What to do if training diverges."""
NAMED = 4
"""So many tensors are named in an error, at most."""


@dataclass
class Learner:
    """What learns: an automaton and its task, with all that training keeps beside them.

    Attributes:
        recipe: What it learns by.
        device: Where it runs.
        modules: The automaton and the task, by name.
        optimiser: Over all their parameters.
        ema: Averaged weights, if the recipe asks for them.
        pool: States that outlive their iteration, if the recipe asks for them.
        iteration: How many updates lie behind.
        saved: The iteration that `last.safetensors` holds, if there is one.
        group: The processes that share it.
        taken: What it has taken from another checkpoint as it began, if anything.
    """

    recipe: Recipe
    device: torch.device
    modules: nn.ModuleDict
    optimiser: torch.optim.Optimizer
    ema: EMA | None = None
    pool: Pool | None = None
    iteration: int = 0
    saved: int | None = None
    group: ProcessGroup = SINGLE
    taken: TakenWeights | None = None

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        device: torch.device,
        data: Path | None,
        progress: Progress,
        group: ProcessGroup = SINGLE,
        precision: Precision | None = None,
        *,
        source: Path | None = None,
    ) -> Self:
        """Return a learner at its beginning.

        Args:
            recipe: What it learns by.
            device: Where it runs.
            data: Folder of data sets, if the user named one.
            progress: Where it is reported what the task fetches.
            group: The processes that share it.
            precision: What it began with, if it goes on.
            source: The checkpoint that it begins with; None: with first weights.

        Raises:
            CheckpointError: None of the weights of `source` fits.
            ProcessError: Its batch cannot be split among the processes.
            NCAError: What the task raises while it loads its data.
        """
        group.check(recipe.training().batch, recipe.training().parts)
        recipe.check_memory(device, group.held_by(device))
        # resuming to the same bits needs convolutions that always sum in the same order
        torch.backends.cudnn.deterministic = True
        automaton = recipe.automaton()
        recipe = agreed_precision(recipe.decided(automaton, device, precision), group)
        automaton.sharding = group.cells(recipe.tables.grid.size, recipe.layout.coarsest)
        task = recipe.task()
        with group.leader_first(), recipe.blaming_task():
            task.prepare(device, data, progress)
        task.hold_data(partial(in_common, group=group))
        modules = nn.ModuleDict({"automaton": automaton, "task": task}).to(device)
        taken = take_weights(source, modules) if source else None
        first = fresh_batch(task, HostRNG(recipe.tables.random_seed, 0), range(1), device)
        check_rules(automaton, first.state)
        table = recipe.tables.train
        assert table is not None
        optimiser = make_optimiser(table, modules.parameters())
        made = cls(recipe, device, modules, optimiser, group=group, taken=taken)
        if table.average:
            made.ema = EMA(modules, table.average)
        if recipe.tables.pool:
            made.pool = made._first_pool(recipe.tables.pool.size)
        return made

    def _first_pool(self, size: int) -> Pool:
        draw = HostRNG(self.recipe.tables.random_seed, 0)
        samples = range(POOL_SAMPLES, POOL_SAMPLES + size)
        shared = self.group.samples, self.automaton.sharding
        make = partial(fresh_batch, self.task, draw, device=self.device)
        return Pool.filled(make, samples, self.table.batch, *shared)

    def go_on_under(self, recipe: Recipe, moments: Mapping[int, Any]) -> None:
        """Build the automaton by another recipe of the same shapes, with the weights of now.

        Args:
            recipe: What it learns by from now on.
            moments: What the optimiser keeps of each weight.
        """
        before = self.automaton
        automaton = recipe.automaton().to(next(self.modules.parameters()))
        automaton.load_state_dict(before.state_dict())
        automaton.memory = before.memory
        automaton.train(before.training)
        self.recipe = replace(recipe, precision=self.recipe.precision)
        self.modules["automaton"] = automaton
        self.optimiser = make_optimiser(self.table, self.modules.parameters())
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})

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

    @property
    def to_return_to(self) -> str:
        """What is left of a run that has diverged, in words."""
        if self.saved is None:
            return "nothing is saved yet"
        return f"{LAST} is from before, iteration {self.saved:,}"

    def shown_tensors(self) -> dict[str, Tensor]:
        """Return the weights of now, and their averages as `average.NAME`.

        Raises:
            DivergedError: They are not finite.
        """
        tensors = weights(automaton=self.automaton, task=self.task)
        if self.ema:
            tensors |= {f"average.{n}": t for n, t in self.ema.tensors.items()}
        self._demand_finite(tensors)
        return tensors

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is needed to learn on, beside the pool.

        Raises:
            DivergedError: Weights or moments are not finite.
        """
        tensors = self.shown_tensors()
        moments = {
            f"optimiser.{number}.{name}": torch.as_tensor(moment)
            for number, kept in self.optimiser.state_dict()["state"].items()
            for name, moment in kept.items()
        }
        self._demand_finite(moments)
        return tensors | moments

    def pieces(self) -> dict[str, TensorPieces]:
        """Return the pool, if there is one, as a checkpoint holds it."""
        pool = self.pool.pieces() if self.pool else {}
        return {f"pool.{name}": each for name, each in pool.items()}

    def best_tensors(self) -> dict[str, Tensor]:
        """Return the averaged weights, or those of now.

        Raises:
            DivergedError: They are not finite.
        """
        tensors = weights(automaton=self.automaton, task=self.task)
        if self.ema:
            tensors |= self.ema.tensors
        self._demand_finite(tensors)
        return tensors

    def _demand_finite(self, tensors: Mapping[str, Tensor]) -> None:
        buffers = {name for name, _ in self.modules.named_buffers()}
        checked = {name: t for name, t in tensors.items() if name not in buffers}
        lost = sorted(name for name, tensor in checked.items() if not tensor.isfinite().all())
        if lost:
            more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
            raise DivergedError(
                f"weights, or their means, are not finite: {', '.join(lost[:NAMED])}{more}.",
                where=f"after iteration {self.iteration:,}",
                to_do=f"{ADVICE}; {self.to_return_to}",
            )

    def faults(self, checkpoint: Checkpoint, *, copied: bool) -> list[str]:
        """Return why what a checkpoint holds cannot be taken up.

        Args:
            checkpoint: What `tensors` and `pieces` returned.
            copied: Whether some weights have no moments yet, for they are a copy with noise.
        """
        average = self.ema.tensors if self.ema else None
        pool = self.pool.pieces() if self.pool else None
        last = self.table.iterations
        return restore_faults(checkpoint, self.modules, last, average, pool, copied=copied)

    def take(self, checkpoint: Checkpoint, path: Path) -> None:
        """Take up the weights and all that training keeps beside them.

        Args:
            checkpoint: What `tensors` and `pieces` returned; it has no `faults`.
            path: Where it was read.
        """
        for name in MODULES:
            checkpoint.load(self.modules[name], name, path)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in checkpoint.part("optimiser").items():
            number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        for name, tensor in (self.ema.tensors if self.ema else {}).items():
            tensor.copy_(checkpoint.part("average")[name])
        if self.pool:
            self.pool.load(checkpoint.part("pool"))
        self.iteration = self.saved = checkpoint.iteration


def fresh_batch(task: Task, draw: HostRNG, samples: range, device: torch.device) -> Batch:
    """Return fresh states with these sample numbers, on a device."""
    numbers = torch.arange(samples.start, samples.stop, device=device)
    return task.training_batch(replace(draw, samples=samples), numbers)
