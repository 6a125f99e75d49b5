"""Tasks that are only watched: nothing is trained for them, and what becomes of a state counts."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.errors import NCAError
from nca.progress import SILENT, Progress
from nca.tasks.batch import Batch
from nca.tasks.task import Task, TaskContext
from nca.types import Split


class WatchedTask(Task):
    """A task without a loss, whose samples differ by what is drawn for their first states.

    A subclass defines `training_batch`, which makes first states, and `measure`.

    Args:
        setting: The run that the task belongs to.
        trials: How many samples there are.

    Attributes:
        count: How many samples there are.
        device: Where states are made.
    """

    def __init__(self, setting: TaskContext, trials: int) -> None:
        super().__init__(setting)
        self.count = trials
        self.device = torch.device("cpu")

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Remember where states shall be, and `check`."""
        self.device = device
        self.check()

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Refuse: there is nothing to train for.

        Raises:
            NCAError: Always.
        """
        raise NCAError(
            "this task is watched, and not trained for.",
            where=f"the task {type(self).__name__}",
            to_do="leave the table [train] out, or name another task: nca plugins lists them",
        )

    def evaluation_count(self, split: Split) -> int:
        """Return how many first states a split has."""
        return self.count

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return first states of a split; their sample numbers count down from -1."""
        samples = -1 - index.to(self.device)
        return self.training_batch(HostRNG(self.context.random_seed, 0), samples)
