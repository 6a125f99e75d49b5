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


class SnapshotCache:
    """Moments by step, at multiples of a stride that doubles when memory is short."""

    def __init__(self) -> None:
        self.moments: dict[int, Snapshot] = {}
        self.stride = 1
        self.size = 0

    def keep(self, moment: Snapshot) -> None:
        """Keep a moment if its step is one of those that are kept."""
        if moment.step % self.stride == 0 and moment.step not in self.moments:
            self.moments[moment.step] = moment
            self.size += moment.size

    def nearest(self, step: int) -> Snapshot | None:
        """Return the last moment kept that is not after a step."""
        for candidate in range(step, max(step - self.stride, -1), -1):
            if candidate in self.moments:
                return self.moments[candidate]
        before = [kept for kept in self.moments if kept <= step]
        return self.moments[max(before)] if before else None

    def thin(self) -> None:
        """Let go of every other moment."""
        self.stride *= 2
        kept = {step: m for step, m in self.moments.items() if step % self.stride == 0}
        self.moments, self.size = kept, sum(moment.size for moment in kept.values())

    def cut(self, step: int) -> None:
        """Let go of all moments after a step."""
        self.moments = {at: moment for at, moment in self.moments.items() if at <= step}
        self.size = sum(moment.size for moment in self.moments.values())
