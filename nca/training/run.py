"""A run: what learns, and the folder in which it is kept.

All that training depends on goes into `last.safetensors`, so that a run that was killed goes on as
if nothing had happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from nca.checkpoint.file import Checkpoint, file_tensors
from nca.checkpoint.overridden import apply_overrides
from nca.checkpoint.read import parse_carried
from nca.checkpoint.reads import TRAINED
from nca.checkpoint.tensor_file import in_file_order
from nca.distributed.group import SINGLE, ProcessGroup
from nca.distributed.pieces import TensorPieces
from nca.errors import CheckpointError, ProcessError
from nca.files import is_file, write_whole
from nca.lock import FolderLock
from nca.progress import Progress
from nca.recipe.precision import Precision
from nca.recipe.recipe import Recipe
from nca.recipe.tables import EvolveByExchange
from nca.training.individual import Individual, first_individual
from nca.training.learner import Learner
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
from nca.training.pretrained import pretrained_path
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


@dataclass
class Run(Learner):
    """A learner with a folder; where a population learns, it is the one that leads.

    Attributes:
        folder: Where its files lie.
        best: The headline of the best checkpoint so far.
        log: Its metrics, line by line.
        lock: Keeps other processes out of its folder; the leader holds it.
        made: Whether its folder was made for it, and so is its own.
        members: A learner for each place of a population.
        individuals: Who fills each of those places.
        born: How many individuals there have been.
        leading: The place of the one that leads: the best at the last validation.
    """

    folder: Path = Path()
    best: float | None = None
    log: MetricsLog = field(default=None)  # pyright: ignore[reportAssignmentType]
    lock: FolderLock | None = None
    made: bool = False
    members: list[Learner] = field(default_factory=list)
    individuals: list[Individual] = field(default_factory=list)
    born: int = 0
    leading: int = 0

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
        run = cls.build(recipe, device, data, progress, group, source=source)
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
        run = cls.build(recipe, device, data, progress, group, began)
        run.folder = folder
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
        device: torch.device,
        data: Path | None,
        progress: Progress,
        group: ProcessGroup = SINGLE,
        precision: Precision | None = None,
        *,
        source: Path | None = None,
    ) -> Self:
        """Return a run at its beginning that has no folder yet; see `Learner.build`."""
        table = recipe.tables.evolve
        if table and group.count > 1:
            raise ProcessError(
                f"a run with [evolve] takes one process, but there are {group.count}.",
                where=f"recipe {recipe.name}",
                to_do="start it without torchrun",
            )
        if not isinstance(table, EvolveByExchange):
            given = (recipe, device, data, progress, group, precision)
            return super().build(*given, source=source)
        individuals = [first_individual(recipe, table, n) for n in range(table.population)]
        members: list[Learner] = []
        for number, individual in enumerate(individuals):
            own = individual.recipe(recipe, number)
            given = (own, device, data, progress, group, precision)
            members.append(Learner.build(*given, source=source))
            recipe = replace(recipe, precision=members[0].recipe.precision)
            precision = recipe.precision.name if recipe.precision else None  # the same for all
        first = members[0]
        run = cls(recipe, device, first.modules, first.optimiser, taken=first.taken)
        run.members, run.individuals, run.born = members, individuals, len(members)
        run.lead(0)
        return run

    def lead(self, number: int) -> None:
        """Let a member lead: its weights are those that are shown, and saved as the best."""
        first, self.leading = self.members[number], number
        self.modules, self.optimiser = first.modules, first.optimiser
        self.ema, self.pool = first.ema, first.pool

    def discard_untrained(self) -> None:
        """Remove the folder of a run that `start` made, if no iteration lies behind it."""
        if self.made and self.iteration == 0 and self.lock is not None:
            self.lock.discard()

    def close(self) -> None:
        """Leave the folder to other processes."""
        if self.lock is not None:
            self.lock.release()

    def save(self) -> None:
        """Write `last.safetensors`: all that is needed to go on, by however many processes.

        Raises:
            DivergedError: Weights or moments are not finite; then what was there stays.
        """
        tensors = self.shown_tensors() if self.members else self.tensors()
        pieces = {} if self.members else self.pieces()
        for number, member in enumerate(self.members):
            tensors |= member_tensors(number, member.tensors(), self.individuals[number])
            pieces |= {f"{MEMBER}.{number}.{n}": each for n, each in member.pieces().items()}
        if self.members:
            tensors |= population_tensors(self.leading, self.born)
        self._write(LAST, tensors, {}, pieces=pieces)
        for each in (self, *self.members):
            each.saved = self.iteration

    def save_best(self, metrics: dict[str, Any]) -> None:
        """Write `best.safetensors`: the averaged weights, or those of now, with their metrics.

        Raises:
            DivergedError: They are not finite; then what was there stays.
        """
        tensors = self.best_tensors()
        if not self.members:
            return self._write(BEST, tensors, metrics)
        words = self.individuals[self.leading].sentence(self.leading)
        recipe = self.members[self.leading].recipe  # by which it is judged and shown
        return self._write(BEST, tensors, {**metrics, "member": words}, recipe)

    def _write(
        self,
        name: str,
        tensors: dict[str, Tensor],
        metrics: dict[str, Any],
        recipe: Recipe | None = None,
        pieces: Mapping[str, TensorPieces] | None = None,
    ) -> None:
        if self.group.is_leader:
            made = self._checkpoint(tensors, metrics, recipe or self.recipe)
            return made.write(self.folder / name, pieces)
        others = pieces or {}
        for each in in_file_order(others):
            for _ in others[each]:  # for the leader, which writes them
                pass
        return None

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
        if self.group.is_leader:
            record_recipe(self.folder, self.log, self.recipe, before)
        if self.group.is_leader and anew:
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
        for start, learner, part in parts if not faults else []:
            copied = bool(start) and is_copied(part)
            faults += [f"{start}{fault}" for fault in learner.faults(part, copied=copied)]
        if faults:
            raise CheckpointError(
                f"the run cannot go on from its checkpoint: {'; '.join(faults)}.",
                where=str(path),
                to_do="use the file as the run has written it, with its recipe and plugins, "
                "without overrides that change shapes or add a pool or averaged weights",
            )
        if self.members:
            self._take_population(checkpoint)
        for _, learner, part in parts:
            learner.take(part, path)
        if self.members:
            self.lead(self.leading)
            self.iteration = self.saved = checkpoint.iteration
        # where the best was removed, it is to be found anew
        self.best = checkpoint.best if is_file(path.parent / BEST) else None

    def _parts(self, checkpoint: Checkpoint, path: Path) -> list[tuple[str, Learner, Checkpoint]]:
        """Return who takes up which part of a checkpoint, and the part's prefix."""
        found = [(f"{MEMBER}.{n}.", one) for n, one in enumerate(self.members)] or [("", self)]
        parts = [(start, one, member_checkpoint(checkpoint, start)) for start, one in found]
        recipe = self.recipe
        return [
            (start, one, apply_overrides(part, path, recipe, dict(one.modules.items()), TRAINED))
            for start, one, part in parts
        ]

    def _take_population(self, checkpoint: Checkpoint) -> None:
        """Take up who fills the places of a population, and by which recipes they learn."""
        self.leading, self.born, self.individuals = taken_population(checkpoint, self.individuals)
        for number, individual in enumerate(self.individuals):
            self.members[number].go_on_under(individual.recipe(self.recipe, number), {})
