"""What a batch lives through, and what it is told of it: the part that gradients flow through."""

from torch import Tensor, nn

from nca.automaton import Automaton
from nca.batch import Batch
from nca.run import Run
from nca.state import State


class Lesson(nn.Module):
    """The part of an iteration that gradients flow through, as one module.

    Args:
        run: Whose automaton and task learn from it.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.learners = run.modules
        self.run = run

    def forward(self, batch: Batch, steps: int) -> tuple[list[State], dict[str, Tensor]]:
        """Return the last states of a batch, and the terms of their loss, each `(B,)`."""
        count = self.run.table.last_states
        states = last_states(self.run.automaton, batch.state, steps, count)
        return states, self.run.task.loss(states, batch)


def last_states(automaton: Automaton, state: State, steps: int, count: int) -> list[State]:
    """Return the last `count` states of a rollout, the very last one last."""
    count = min(count, steps)
    states = [automaton.rollout(state, steps - count + 1)]
    for _ in range(count - 1):
        states.append(automaton.rollout(states[-1], 1))
    return [automaton.finish(state) for state in states]
