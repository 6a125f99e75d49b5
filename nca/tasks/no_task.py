"""The task of an automaton that has none: nothing to learn or to measure, but something to see."""

from collections.abc import Iterator, Sequence
from typing import NoReturn

import torch
from torch import Tensor

from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.errors import NCAError
from nca.tasks.batch import Batch
from nca.tasks.display import Display, laid_flat
from nca.tasks.metrics import Share
from nca.tasks.task import Task
from nca.types import Size, Split


class NoTask(Task):
    """Begin with 1 in the middle cell; show the first channels of the top level as colours."""

    headline, better = "", "more"

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Refuse: there is nothing to train for."""
        self._refuse("trained")

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Refuse: there is nothing to train for."""
        self._refuse("trained")

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Refuse: there is nothing to measure."""
        self._refuse("measured")

    def evaluation_batches(self, split: Split, batch: int) -> Iterator[Batch]:
        """Refuse: there is nothing to measure."""
        self._refuse("measured")

    def first_evaluation_batch(self, split: Split, batch: int) -> Batch:
        """Return as many states with a seed in the middle: 1 in every channel but the input's."""
        middle: Size = tuple(side // 2 for side in self.context.size)
        empty = self.context.layout.zeros(batch, self.context.size)
        return self.add_seed(Batch(empty), middle)

    def display(self) -> Display:
        """Return how a page shows it: level by level, from the seed on."""
        return Display(self.first_evaluation_batch("test", 1).state)

    def picture(self, state: State) -> Tensor:
        """Return three channels of the top level as red, green and blue, or one as grey."""
        level = laid_flat(list(state.values())[-1])
        colours = level[:, :3] if level.shape[1] >= 3 else level[:, :1]
        return torch.as_tensor(colours).float().clamp(0, 1).expand(-1, 3, -1, -1)

    def _refuse(self, what: str) -> NoReturn:
        raise NCAError(
            f"the automaton has no task, so it cannot be {what}.",
            where="its recipe has no table [task]",
            to_do="roll it out, draw, play or export it; or add a task: nca plugins lists them",
        )
