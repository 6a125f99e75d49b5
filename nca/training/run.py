"""A run: the folder, the modules and the counters that training moves forward.

All that training depends on is in here and goes into `last.safetensors`: weights, optimiser,
averaged weights, pool and iteration. Everything else follows from the recipe, since randomness
is counted. So a run that was killed goes on as if nothing had happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nca.checkpoint.file import MODULES, Checkpoint, file_tensors, weights
from nca.checkpoint.overridden import apply_overrides
from nca.checkpoint.read import parse_carried
from nca.checkpoint.reads import TRAINED
from nca.distributed.agreement import agreed_precision
from nca.distributed.group import SINGLE, ProcessGroup
from nca.engine.automaton import Automaton
from nca.engine.rng import HostRNG
from nca.errors import CheckpointError, DivergedError, ProcessError
from nca.files import is_file, write_whole
from nca.lock import FolderLock
from nca.progress import Progress
from nca.recipe.precision import Precision
from nca.recipe.recipe import Recipe
from nca.recipe.tables import EvolveByExchange, Train
from nca.tasks.pool import Pool
from nca.tasks.task import Task
from nca.training.ema import EMA
from nca.training.first_step import check_rules
from nca.training.individual import Individual, first_individual
from nca.training.log import MetricsLog
from nca.training.members import (
    MEMBER,
    is_copied,
    late_overrides,
    member_checkpoint,
    member_tensors,
    population_faults,
    population_tensors,
    taken_population,
)
from nca.training.new_recipe import measured_otherwise, record_recipe, set_best_aside
from nca.training.optimiser import make_optimiser
from nca.training.pretrained import TakenWeights, pretrained_path, take_weights
from nca.training.restore import restore_faults
from nca.training.run_folder import (
    BEST,
    LAST,
    METRICS,
    RECIPE,
    check_run_folder,
    create_run_folder,
    enter_run_folder,
    remove_leftovers,
)

POOL_SAMPLES = 1 << 40
"""The pool's first states have sample numbers that no iteration reaches."""

ADVICE = 'lower [train] learning_rate, or set gradient = "normalised" or "clipped"'
"""What to do if training diverges."""
NAMED = 4
"""So many tensors are named in an error, at most."""


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
        log: Its metrics, line by line.
        lock: Keeps other processes out of its folder; the leader holds it.
        taken: What it has taken from another checkpoint as it began, if anything.
        members: Where a population learns, a run without a folder for each of its places; the
            modules, optimiser, averages and pool above are then those of the one that leads.
        individuals: Who fills each of those places.
        born: How many individuals there have been.
        leading: The place of the one that leads: the best at the last validation.
        saved: The iteration that `last.safetensors` holds, if there is one.
        made: Whether its folder was made for it, and so is its own.
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
    lock: FolderLock | None = None
    saved: int | None = None
    taken: TakenWeights | None = None
    members: list["Run"] = field(default_factory=list)
    individuals: list[Individual] = field(default_factory=list)
    born: int = 0
    leading: int = 0
    made: bool = False

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        folder: Path | None,
        device: torch.device,
        data: Path | None,
        progress: Progress,
        group: ProcessGroup = SINGLE,
    ) -> "Run":
        """Build a run at its beginning; then make and lock its folder, and save.

        Args:
            recipe: What to train.
            folder: Its folder, in which no run may lie; None: the next `runs/NAME-N`.
            device: Where it runs.
            data: Folder of data sets, if the user named one.
            progress: Where it is reported what the task fetches.
            group: The processes that share it.

        Raises:
            StorageError: The folder cannot be made, or another process is in it.
            NCAError: The folder is taken; what the task raises while it loads its data.
            ProcessError: Its batch cannot be split among the processes.
        """
        if group.is_leader:
            check_run_folder(folder)
        source = pretrained_path(recipe)
        run = cls.build(recipe, Path(), device, data, progress, group, source=source)
        if group.is_leader:
            run.made = folder is None or not folder.exists()
            run.lock = create_run_folder(folder, recipe.name)
            run.folder = run.lock.folder
            write_whole(run.folder / RECIPE, recipe.text.encode())
        run.folder = Path(group.broadcast(str(run.folder)))
        run.log = MetricsLog(run.folder / METRICS, 0, writes=group.is_leader)
        run.save()
        if run.taken:
            progress.note(run.taken.sentence())
            run.log.write({"iteration": 0, "kind": "pretrained", **run.taken.to_json()})
        for number, individual in enumerate(run.individuals):
            row = {"iteration": 0, "kind": "member", "member": number, **individual.to_json()}
            seed = run.members[number].recipe.tables.random_seed
            run.log.write({**row, "random seed": seed})
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

        Args:
            folder: The run's; it is locked first.
            device: As of `start`, like all that follow.
            data: Folder of data sets.
            progress: Where it is reported.
            overrides: `table.key=value`.
            group: The processes that share it.

        Raises:
            CheckpointError: There is none, or it is damaged or does not fit.
            StorageError: Another process is in the folder.
            ProcessError: Its batch cannot be split among the processes.
        """
        with group.leader_first():
            lock = enter_run_folder(folder) if group.is_leader else None
        path = folder / LAST
        checkpoint = Checkpoint.read(path)
        recipe = parse_carried(checkpoint, path, overrides)
        recipe.files.use_copies(folder)
        began = checkpoint.precision or "float32"
        run = cls.build(recipe, folder, device, data, progress, group, began)
        run._restore(checkpoint, path)
        run.lock = lock
        if group.is_leader:
            remove_leftovers(folder)
        run.log = MetricsLog(folder / METRICS, run.iteration, writes=group.is_leader)
        run._take_overrides(checkpoint, path)
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
        precision: Precision | None = None,
        *,
        source: Path | None = None,
    ) -> "Run":
        """Return a run at its beginning that has no folder yet.

        Args:
            recipe: As of `start`, like all that follow.
            folder: Where its folder will be.
            device: Where it runs.
            data: Folder of data sets.
            progress: Where it is reported.
            group: The processes that share it.
            precision: What it began with, if it goes on.
            source: The checkpoint that it begins with; None: with first weights.

        Raises:
            CheckpointError: None of the weights of `source` fits.
            ProcessError: Its batch cannot be split among the processes.
            NCAError: What the task raises while it loads its data.
        """
        group.check(recipe.training().batch, recipe.training().parts)
        if recipe.tables.evolve and group.count > 1:
            raise ProcessError(
                f"a run with [evolve] takes one process, but there are {group.count}.",
                where=f"recipe {recipe.name}",
                to_do="start it without torchrun",
            )
        recipe.check_memory(device)
        if isinstance(recipe.tables.evolve, EvolveByExchange):
            given = (folder, device, data, progress)
            return cls._population(recipe, recipe.tables.evolve, given, precision, source)
        # resuming to the same bits needs convolutions that always sum in the same order
        torch.backends.cudnn.deterministic = True
        automaton = recipe.automaton()
        recipe = agreed_precision(recipe.decided(automaton, device, precision), group)
        automaton.sharding = group.sharding(recipe.tables.grid.size, recipe.layout.coarsest)
        task = recipe.task()
        with group.leader_first(), recipe.blaming_task():
            task.prepare(device, data, progress)
        modules = nn.ModuleDict({"automaton": automaton, "task": task}).to(device)
        taken = take_weights(source, modules) if source else None
        first = task.training_batch(
            HostRNG(recipe.tables.random_seed, 0), torch.zeros(1, dtype=torch.int64, device=device)
        )
        check_rules(automaton, first.state)
        table = recipe.tables.train
        assert table is not None
        optimiser = make_optimiser(table, modules.parameters())
        run = cls(recipe, folder, device, modules, optimiser, group=group, taken=taken)
        if table.average:
            run.ema = EMA(modules, table.average)
        if recipe.tables.pool:
            samples = POOL_SAMPLES + torch.arange(recipe.tables.pool.size, device=device)
            run.pool = Pool(task.training_batch(HostRNG(recipe.tables.random_seed, 0), samples))
        return run

    @classmethod
    def _population(
        cls,
        recipe: Recipe,
        table: EvolveByExchange,
        given: tuple[Path, torch.device, Path | None, Progress],
        precision: Precision | None,
        source: Path | None,
    ) -> "Run":
        """Return a run with members, each as it is built alone."""
        folder, device, _, _ = given
        individuals = [first_individual(recipe, table, n) for n in range(table.population)]
        members: list[Run] = []
        for number, individual in enumerate(individuals):
            own = individual.recipe(recipe, number)
            members.append(cls.build(own, *given, precision=precision, source=source))
            recipe = replace(recipe, precision=members[0].recipe.precision)
            precision = recipe.precision.name if recipe.precision else None  # the same for all
        first, born = members[0], len(members)
        run = cls(recipe, folder, device, first.modules, first.optimiser, taken=first.taken)
        run.members, run.individuals, run.born = members, individuals, born
        run.lead(0)
        return run

    def lead(self, number: int) -> None:
        """Let a member lead: its weights are those that are shown, and saved as the best."""
        first, self.leading = self.members[number], number
        self.modules, self.optimiser = first.modules, first.optimiser
        self.ema, self.pool = first.ema, first.pool

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

    def discard_untrained(self) -> None:
        """Remove the folder of a run that `start` made, if no iteration lies behind it."""
        if self.made and self.iteration == 0 and self.lock is not None:
            self.lock.discard()

    def close(self) -> None:
        """Leave the folder to other processes."""
        if self.lock is not None:
            self.lock.release()

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
        """Write `last.safetensors`: all that is needed to go on, by however many processes.

        Raises:
            DivergedError: Weights or moments are not finite; then what was there stays.
        """
        tensors = self._tensors()
        for number, (member, individual) in enumerate(
            zip(self.members, self.individuals, strict=True)
        ):
            tensors |= member_tensors(number, member._tensors(), individual)
        if self.members:
            tensors |= population_tensors(self.leading, self.born)
        self._write(LAST, tensors, {})
        for each in (self, *self.members):
            each.saved = self.iteration

    def save_best(self, metrics: dict[str, Any]) -> None:
        """Write `best.safetensors`: the averaged weights, or those of now, with their metrics.

        Raises:
            DivergedError: They are not finite; then what was there stays.
        """
        tensors = weights(automaton=self.automaton, task=self.task)
        if self.ema:
            tensors |= self.ema.tensors
        self._demand_finite(tensors)
        if not self.members:
            return self._write(BEST, tensors, metrics)
        words = self.individuals[self.leading].sentence(self.leading)
        recipe = self.members[self.leading].recipe  # by which it is judged and shown
        return self._write(BEST, tensors, {**metrics, "member": words}, recipe)

    @property
    def to_return_to(self) -> str:
        """What is left of a run that has diverged, in words."""
        if self.saved is None:
            return "nothing is saved yet"
        return f"{LAST} is from before, iteration {self.saved:,}"

    def _tensors(self) -> dict[str, Tensor]:
        """Return all that is needed to go on with what is trained: of a population, what leads."""
        tensors = weights(automaton=self.automaton, task=self.task)
        if self.ema:
            tensors |= {f"average.{n}": t for n, t in self.ema.tensors.items()}
        if not self.members:
            for number, moments in self.optimiser.state_dict()["state"].items():
                named = {n: torch.as_tensor(t) for n, t in moments.items()}
                tensors |= {f"optimiser.{number}.{n}": t for n, t in named.items()}
        self._demand_finite(tensors)
        if self.pool and not self.members:
            tensors |= {f"pool.{n}": t for n, t in self.pool.tensors().items()}
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

    def _write(
        self,
        name: str,
        tensors: dict[str, Tensor],
        metrics: dict[str, Any],
        recipe: Recipe | None = None,
    ) -> None:
        if self.group.is_leader:
            made = self._checkpoint(tensors, metrics, recipe or self.recipe)
            made.write(self.folder / name)

    def _checkpoint(
        self, tensors: dict[str, Tensor], metrics: dict[str, Any], recipe: Recipe
    ) -> Checkpoint:
        kept = recipe.files.kept()
        return Checkpoint(
            name=recipe.name,
            recipe=recipe.text,
            overrides=recipe.overrides,
            iteration=self.iteration,
            metrics=metrics,
            best=self.best,
            files={path: file.role for path, file in kept.items()},
            precision=self.recipe.precision.name if self.recipe.precision else None,
            tensors={**tensors, **file_tensors(kept)},
        )

    def _take_overrides(self, before: Checkpoint, path: Path) -> None:
        """Go on under the recipe, which may be another one than that of the checkpoint."""
        anew = measured_otherwise(self.recipe, before, path)
        if anew:
            self.best = None
        if not self.group.is_leader:
            return
        record_recipe(self.folder, self.log, self.recipe, before)
        if anew:
            set_best_aside(self.folder, self.iteration)
        if self.recipe.text != before.recipe:
            self.save()

    def _restore(self, checkpoint: Checkpoint, path: Path) -> None:
        """Take up what a checkpoint holds, all of which is checked before."""
        parts = self._parts(checkpoint, path)
        table, faults = self.recipe.tables.evolve, []
        if isinstance(table, EvolveByExchange):
            faults += population_faults(checkpoint, self.individuals, table)
            faults += late_overrides(checkpoint, path, self.recipe, table)
        for start, run, part in parts if not faults else []:
            copied = bool(start) and is_copied(part)
            faults += [f"{start}{fault}" for fault in run._faults(part, copied=copied)]
        if faults:
            raise CheckpointError(
                f"the run cannot go on from its checkpoint: {'; '.join(faults)}.",
                where=str(path),
                to_do="use the file as the run has written it, with its recipe and plugins, "
                "without overrides that change shapes or add a pool or averaged weights",
            )
        if self.members:
            self._take_population(checkpoint)
        for _, run, part in parts:
            run._take(part, path)
        if self.members:
            self.lead(self.leading)
            self.iteration = self.saved = checkpoint.iteration
        # where the best was removed, it is to be found anew
        self.best = checkpoint.best if is_file(path.parent / BEST) else None

    def _parts(self, checkpoint: Checkpoint, path: Path) -> list[tuple[str, "Run", Checkpoint]]:
        """Return each run that takes up a part of a checkpoint, with the part and its prefix."""
        found = [(f"{MEMBER}.{n}.", run) for n, run in enumerate(self.members)] or [("", self)]
        parts = [(start, run, member_checkpoint(checkpoint, start)) for start, run in found]
        recipe = self.recipe
        return [
            (start, run, apply_overrides(part, path, recipe, dict(run.modules.items()), TRAINED))
            for start, run, part in parts
        ]

    def _take_population(self, checkpoint: Checkpoint) -> None:
        """Take up who fills the places of a population, and by which recipes they learn."""
        self.leading, self.born, self.individuals = taken_population(checkpoint, self.individuals)
        for number, individual in enumerate(self.individuals):
            self.members[number].go_on_under(individual.recipe(self.recipe, number), {})

    def _faults(self, part: Checkpoint, *, copied: bool) -> list[str]:
        average = self.ema.tensors if self.ema else None
        pool = self.pool.tensors() if self.pool else None
        last = self.table.iterations
        return restore_faults(part, self.modules, last, average, pool, copied=copied)

    def _take(self, checkpoint: Checkpoint, path: Path) -> None:
        """Take up the weights and all that training keeps beside them."""
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
