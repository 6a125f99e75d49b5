"""Sharded step: every process steps its part of the batch or of the grid.

Whole states come in and go out, the same on every process; between, each process has its part.
So whatever makes states, judges them or draws them need not know of it. Training and evaluation by
samples need none: there each process has its own states (`nca.distributed.shares`). For a grid too
large for one process, let each make its own block and give the automaton the block's topology:
`automaton.topology = sharding.topology(automaton.topology)`.
"""

from collections.abc import Callable

from nca.distributed.sharding import Sharding
from nca.engine.state import State
from nca.engine.stepper import Stepper


class ShardedStepper(Stepper):
    """The steps of a process's part, taken in another way.

    Args:
        sharding: How states are divided among the processes.
        choose: Returns the way to step a part.
    """

    way = "sharded"

    def __init__(self, sharding: Sharding, choose: Callable[[State], Stepper]) -> None:
        self.sharding = sharding
        self._choose = choose
        self._inner: Stepper | None = None
        self._part: State | None = None

    def prepare(self, state: State) -> State:
        """Return this process's part; see `nca.engine.stepper.Stepper.prepare`."""
        self._part = self.sharding.scatter(state)
        self._inner = self._choose(self._part)
        return self._inner.prepare(self._part)

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass, on all processes; see `nca.engine.stepper.Stepper.step`."""
        assert self._inner is not None
        return self._inner.step(state, fire_rate)

    def restore(self, state: State, whole: State) -> State:
        """Return the state whose parts the processes have."""
        assert self._inner is not None
        assert self._part is not None
        return self.sharding.gather(self._inner.restore(state, self._part), whole)
