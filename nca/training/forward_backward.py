"""Forward and backward pass of a batch: rollout, loss and gradient, whole or part by part."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import PluginError
from nca.recipe.tables import EvolveByStrategies
from nca.tasks.batch import Batch
from nca.training.learner import Learner
from nca.training.strategies import StrategiesStep


class TrainingStep(nn.Module):
    """The part of an iteration that gradients flow through, as one module.

    Args:
        learner: Whose automaton and task it trains.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.trained = learner.modules
        self.learner = learner

    def forward(self, batch: Batch, steps: int) -> tuple[list[State], dict[str, Tensor]]:
        """Return the last states of a batch, and the terms of their loss, each `(B,)`."""
        count = self.learner.table.last_states
        states = final_states(self.learner.automaton, batch.state, steps, count)
        return states, self.learner.task.loss(states, batch)


def training_step(learner: Learner) -> nn.Module:
    """Return the part of an iteration that makes gradients, or what stands in for them."""
    table = learner.recipe.tables.evolve
    by_strategies = isinstance(table, EvolveByStrategies)
    return StrategiesStep(learner, table) if by_strategies else TrainingStep(learner)


def forward_backward(
    step: nn.Module,
    learner: Learner,
    batch: Batch,
    steps: int,
    ended: Callable[[State], object] = lambda state: None,
) -> tuple[State, dict[str, Tensor]]:
    """Run a batch forward and backward; add the gradient of its mean loss to the weights.

    A batch in parts runs part by part, and their gradients add up: what is kept for the gradient
    is that of one part.

    Args:
        step: A `TrainingStep`, or what a process group has made of it; a `StrategiesStep` tells
            the slope in a way of its own.
        learner: Whose recipe says in how many parts.
        batch: The states to start from, with their truth.
        steps: How many steps the rollout takes.
        ended: Called with the last state, cut off from its past, as soon as it is known: before the
            last backward pass.

    Returns:
        The last state, cut off from its past, and the terms of the loss, each `(B,)`.
    """
    if isinstance(step, StrategiesStep):
        end, terms = step.estimate(batch, steps)
        ended(end)
        return end, terms
    learner.optimiser.zero_grad()
    size = batch.state.batch // learner.table.parts
    end, ends = batch.state, list[State]()
    parts: list[dict[str, Tensor]] = []
    for start in range(0, batch.state.batch, size):
        with _accumulated(step, start + size == batch.state.batch):
            with learner.recipe.autocast(learner.device):
                states, terms = step(batch.select(slice(start, start + size)), steps)
            share = size / batch.state.batch
            loss = torch.stack([share * term.mean() for term in terms.values()]).sum()
            ends.append(states[-1].detach())
            if not loss.requires_grad:
                raise PluginError(
                    "the loss depends on no weight, so that there is nothing to learn.",
                    where=", ".join(terms) or "a task without terms of a loss",
                    to_do="keep what a rule returns and a task measures part of the gradient: "
                    "without detach(), item() and torch.no_grad()",
                )
            if start + size == batch.state.batch:
                end = ends[0] if len(ends) == 1 else State.cat(ends)
                ended(end)
            del states  # what no loss looks at need not be kept or computed again
            loss.backward()
        parts.append({name: term.detach() for name, term in terms.items()})
    return end, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _accumulated(step: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Return a context in which gradients are accumulated in this process.

    Only with the last part are they averaged over the processes, if there are several.
    """
    if last or not isinstance(step, DistributedDataParallel):
        return nullcontext()
    return step.no_sync()


def final_states(automaton: Automaton, state: State, steps: int, count: int) -> list[State]:
    """Return the last `count` states of a rollout, the very last one last."""
    count = min(count, steps)
    states = [automaton.rollout(state, steps - count + 1)]
    for _ in range(count - 1):
        states.append(automaton.rollout(states[-1], 1))
    return [automaton.finish(state) for state in states]
