"""A batch: states, and beside each the truth that its loss and metrics are measured by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nca.state import State


@dataclass(frozen=True)
class Batch:
    """States with their truth.

    Attributes:
        state: B samples.
        truth: Whatever a task needs to judge them, by name; the first axis is the sample.
    """

    state: State
    truth: Mapping[str, Tensor] = field(default_factory=dict)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with `function` applied to all levels and truths."""
        return Batch(self.state.map(function), {n: function(t) for n, t in self.truth.items()})

    def select(self, index: Tensor | slice) -> "Batch":
        """Return some of the samples, in the order of `index`."""
        truth = {name: tensor[index] for name, tensor in self.truth.items()}
        return Batch(self.state.select(index), truth)

    @staticmethod
    def cat(batches: Sequence["Batch"]) -> "Batch":
        """Return the samples of several batches as one."""
        truth = {n: torch.cat([b.truth[n] for b in batches]) for n in batches[0].truth}
        return Batch(State.cat([batch.state for batch in batches]), truth)
