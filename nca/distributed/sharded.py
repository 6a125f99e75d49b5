"""An automaton whose steps are shared among processes.

It takes and returns whole states, the same on every process; between, each process steps its
part. So whatever makes states, judges them or keeps them in a pool need not know of it.
"""

from nca.distributed.sharding import Sharding
from nca.engine.automaton import Automaton
from nca.engine.state import State


class Spread(Automaton):
    """The same automaton, its weights too, of which every process steps a part of the state.

    Args:
        automaton: Is left as it is; weights are shared with it.
        parts: How states are split among the processes.
    """

    def __init__(self, automaton: Automaton, parts: Sharding) -> None:
        self.__dict__.update(automaton.__dict__)
        self.parts = parts

    @property
    def part(self) -> Automaton:
        """The automaton that steps this process's part: for states too large to be joined."""
        part = Automaton.__new__(Automaton)
        part.__dict__.update(self.__dict__)
        part.topology = self.parts.topology(self.topology)
        return part

    def step(self, state: State, *, fire_rate: float | None = None) -> State:
        """Let one step pass, on all processes; see `Automaton.step`."""
        return self.rollout(state, 1, fire_rate=fire_rate)

    def rollout(self, state: State, steps: int, *, fire_rate: float | None = None) -> State:
        """Let many steps pass, on all processes; see `Automaton.rollout`."""
        part = self.part.rollout(self.parts.scatter(state), steps, fire_rate=fire_rate)
        return self.parts.gather(part, state)
