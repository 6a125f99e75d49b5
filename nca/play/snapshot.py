"""A moment: all that decides what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nca.engine.state import State
from nca.play.controls import Value
from nca.tasks.batch import Batch


@dataclass(frozen=True)
class Snapshot:
    """One sample at one step, with the knobs as they stand.

    Attributes:
        batch: The state, of one sample, and its truth.
        knobs: Those that do not stand where the recipe put them, by name.
    """

    batch: Batch
    knobs: Mapping[str, Value] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The state alone."""
        return self.batch.state

    @property
    def step(self) -> int:
        """How many steps have passed."""
        return self.batch.state.step

    @property
    def size(self) -> int:
        """How many bytes its tensors take."""
        memories = [t for old in self.state.remembered for t in old.values()]
        tensors = [*self.state.values(), *self.batch.truth.values(), *memories]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
