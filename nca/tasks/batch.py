"""A batch: states, and beside each the truth that its loss and metrics are measured by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nca.engine.rng import HostRNG
from nca.engine.state import State


@dataclass(frozen=True)
class Batch:
    """States with their truth.

    Attributes:
        state: B samples.
        truth: Whatever a task needs to judge them, by name; the first axis is the sample.
        draw: The randomness that all samples of the batch share, in whichever process.
    """

    state: State
    truth: Mapping[str, Tensor] = field(default_factory=dict)
    draw: HostRNG = field(default=HostRNG(0, 0))

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with `function` applied to all levels and truths."""
        truth = {name: function(tensor) for name, tensor in self.truth.items()}
        return replace(self, state=self.state.map(function), truth=truth)

    def select(self, index: Tensor | slice) -> "Batch":
        """Return some of the samples, in the order of `index`."""
        truth = {name: tensor[index] for name, tensor in self.truth.items()}
        return replace(self, state=self.state.select(index), truth=truth)

    @staticmethod
    def cat(batches: Sequence["Batch"]) -> "Batch":
        """Return the samples of several batches as one, drawn as the first was."""
        truth = {n: torch.cat([b.truth[n] for b in batches]) for n in batches[0].truth}
        state = State.cat([batch.state for batch in batches])
        return replace(batches[0], state=state, truth=truth)
