"""What a batch lives through, and what it is told of it: the part that gradients flow through."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.tasks.batch import Batch
from nca.training.run import Run


class TrainingStep(nn.Module):
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
        states = final_states(self.run.automaton, batch.state, steps, count)
        return states, self.run.task.loss(states, batch)


def forward_backward(
    lesson: nn.Module, run: Run, batch: Batch, steps: int
) -> tuple[State, dict[str, Tensor]]:
    """Walk a batch forth and back, and leave the gradient of its mean loss with the weights.

    A batch in parts is walked part by part, and their gradients add up: what is kept for the
    gradient is that of one part.

    Args:
        lesson: A `TrainingStep`, or what a crew has made of it.
        run: Whose recipe says in how many parts.
        batch: The states to start from, with their truth.
        steps: How many steps they live.

    Returns:
        The last state, cut off from its past, and the terms of the loss, each `(B,)`.
    """
    run.optimiser.zero_grad()
    size = batch.state.batch // run.table.parts
    ends: list[State] = []
    told: list[dict[str, Tensor]] = []
    for start in range(0, batch.state.batch, size):
        with _added_up(lesson, start + size == batch.state.batch):
            with run.recipe.autocast(run.device):
                states, terms = lesson(batch.select(slice(start, start + size)), steps)
            share = size / batch.state.batch
            loss = torch.stack([share * term.mean() for term in terms.values()]).sum()
            ends.append(states[-1].detach())
            del states  # what no loss looks at need not be kept or computed again
            loss.backward()
        told.append({name: term.detach() for name, term in terms.items()})
    if len(ends) == 1:
        return ends[0], told[0]
    return State.cat(ends), {name: torch.cat([terms[name] for terms in told]) for name in told[0]}


def _added_up(lesson: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Return a context in which gradients pile up here until the last part is walked back.

    Then alone they are averaged over the processes, if there are several.
    """
    if last or not isinstance(lesson, DistributedDataParallel):
        return nullcontext()
    return lesson.no_sync()


def final_states(automaton: Automaton, state: State, steps: int, count: int) -> list[State]:
    """Return the last `count` states of a rollout, the very last one last."""
    count = min(count, steps)
    states = [automaton.rollout(state, steps - count + 1)]
    for _ in range(count - 1):
        states.append(automaton.rollout(states[-1], 1))
    return [automaton.finish(state) for state in states]
