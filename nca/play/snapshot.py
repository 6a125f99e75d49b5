"""A snapshot: all that decides what comes next; and those that are kept for going back."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from nca.engine.state import State
from nca.play.controls import Value
from nca.tasks.batch import Batch


@dataclass(frozen=True)
class Snapshot:
    """One sample at one step, with the controls as they stand.

    Attributes:
        batch: The state, of one sample, and its truth.
        first: The state to begin anew from.
        controls: Those that do not stand where the recipe put them, by name.
        begun: The step of the history at which the state's own steps began.
    """

    batch: Batch
    first: State
    controls: Mapping[str, Value] = field(default_factory=dict)
    begun: int = 0

    @property
    def state(self) -> State:
        """The state alone."""
        return self.batch.state

    @property
    def step(self) -> int:
        """The step of the history; the state counts its own since it last began anew."""
        return self.begun + self.batch.state.step

    @property
    def size(self) -> int:
        """How many bytes its tensors take."""
        memories = [t for old in self.state.remembered for t in old.values()]
        tensors = [*self.state.values(), *self.batch.truth.values(), *memories]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def with_state(self, state: State) -> "Snapshot":
        """Return the snapshot with another state and the same truth."""
        return replace(self, batch=Batch(state, self.batch.truth))

    def begin_anew(self, levels: Collection[str]) -> "Snapshot":
        """Return the snapshot with levels as they were at first, at the state's step 0."""
        state = self.state.restart(self.state.random_seed, self.state.samples)
        anew = self.with_state(state.replace({name: self.first[name] for name in levels}))
        return replace(anew, begun=self.step)


class SnapshotCache:
    """Moments by step, at multiples of a stride that doubles when memory is short."""

    def __init__(self) -> None:
        self.snapshots: dict[int, Snapshot] = {}
        self.stride = 1
        self.size = 0

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot if its step is one of those that are kept."""
        if snapshot.step % self.stride == 0 and snapshot.step not in self.snapshots:
            self.snapshots[snapshot.step] = snapshot
            self.size += snapshot.size

    def nearest(self, step: int) -> Snapshot | None:
        """Return the last snapshot kept that is not after a step."""
        last = step - step % self.stride
        if last in self.snapshots:
            return self.snapshots[last]
        before = [kept for kept in self.snapshots if kept <= step]
        return self.snapshots[max(before)] if before else None

    def thin(self) -> None:
        """Let go of every other snapshot."""
        self.stride *= 2
        kept = {step: m for step, m in self.snapshots.items() if step % self.stride == 0}
        self.snapshots, self.size = kept, sum(snapshot.size for snapshot in kept.values())

    def cut(self, step: int) -> None:
        """Let go of all snapshots after a step."""
        self.snapshots = {at: snapshot for at, snapshot in self.snapshots.items() if at <= step}
        self.size = sum(snapshot.size for snapshot in self.snapshots.values())
