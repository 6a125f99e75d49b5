"""Gradient descent: what an iteration does to the weights of a learner.

A batch is made or drawn from the pool and runs for some steps; the loss of the last state (or the
last few) has a gradient, or what `[evolve]` has in its place; the optimiser follows it, and the
states go back into the pool. Everything random is counted, so that an iteration depends on the
weights, the pool and its own number alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor, nn

from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.recipe.tables import Train
from nca.tasks.batch import Batch
from nca.training.forward_backward import forward_backward, training_step
from nca.training.learner import Learner, fresh_batch


@dataclass(frozen=True)
class Update:
    """What an iteration has shown, of several processes to each of its own samples.

    Attributes:
        terms: The terms of the loss, each `(B,)`.
        norm: Of the gradient.
        state: The last states.
    """

    terms: dict[str, Tensor]
    norm: Tensor
    state: State

    @property
    def loss(self) -> Tensor:
        """The mean loss of the batch."""
        return torch.stack([term.mean() for term in self.terms.values()]).sum()


class GradientDescent:
    """Moves the weights of a learner along their gradient, one iteration at a time.

    Args:
        learner: Whose weights, averages and pool.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.weights = list(learner.modules.parameters())
        self.step = learner.group.wrap_ddp(training_step(learner))
        self._put: Callable[[], None] | None = None

    def look(self) -> Update:
        """Run the batch of the iteration, and leave the gradient where the optimiser finds it."""
        learner, self._put = self.learner, None
        draw = HostRNG(learner.recipe.tables.random_seed, learner.iteration)
        index, batch = next_batch(learner, draw)
        steps = draw.integer("steps", *learner.recipe.tables.rollout.steps)

        def keep(state: State) -> None:  # its way to the pool is that of the backward pass
            if learner.pool is not None and index is not None:
                self._put = learner.pool.begin_put(index, Batch(state, batch.truth))

        state, terms = forward_backward(self.step, learner, batch, steps, keep)
        return Update(terms, clip_or_normalise(self.weights, learner.table), state)

    def move(self, update: Update) -> None:
        """Follow the gradient that `look` has left, and put the states back into the pool."""
        learner = self.learner
        for group in learner.optimiser.param_groups:
            group["lr"] = learning_rate(learner.table, learner.iteration)
        learner.optimiser.step()
        if learner.ema:
            learner.ema.update(learner.iteration)
        if self._put is not None:
            self._put()
        self._put = None  # or what it puts would be held while the next batch is run


def next_batch(learner: Learner, draw: HostRNG) -> tuple[Tensor | None, Batch]:
    """Return the states to start from, and the places of the batch in the pool if there is one.

    Of several processes each gets its own states, and the places of all.
    """
    count = learner.table.batch
    own = learner.group.samples.own(count)
    first = learner.iteration * count
    samples = range(first + own.start, first + own.stop)
    fresh = replace(fresh_batch(learner.task, draw, samples, learner.device), draw=draw)
    pool, options = learner.pool, learner.recipe.tables.pool
    if pool is None or options is None:
        return None, fresh
    index = pool.draw(draw, count)
    if learner.iteration < options.begin:
        return index, fresh
    if options.order == "loss":
        index = pool.order(index, lambda batch: _loss(learner, replace(batch, draw=draw)))
    return index, options.refresh(pool.take(index), fresh, learner.automaton, draw, own, count)


@torch.no_grad()
def _loss(learner: Learner, batch: Batch) -> Tensor:
    """Return the loss of each state of a batch as it is, `(B,)`."""
    return reduce(torch.add, learner.task.loss([batch.state], batch).values())


def learning_rate(table: Train, iteration: int) -> float:
    """Return the learning rate of an iteration, counted from 0."""
    if iteration < table.warmup:
        return table.learning_rate * (iteration + 1) / (table.warmup + 1)
    passed = (iteration - table.warmup) / max(table.iterations - table.warmup, 1)
    match table.schedule:
        case "linear":
            share = 1 - (1 - table.final) * passed
        case "cosine":
            share = table.final + (1 - table.final) * (1 + math.cos(math.pi * passed)) / 2
        case "drops":
            share = table.drop_factor ** sum(iteration >= drop for drop in table.drops)
        case "constant":
            share = 1.0
    return table.learning_rate * share


@torch.no_grad()
def clip_or_normalise(weights: Sequence[nn.Parameter], table: Train) -> Tensor:
    """Clip or normalise the gradients as the recipe asks; return their norm before that.

    `normalised` divides each tensor's gradient by its own norm (Mordvintsev et al. 2020), which
    keeps the rare huge gradient of a long rollout from undoing what was learnt.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if table.gradient == "normalised":
        for gradient in gradients:
            gradient.div_(gradient.norm() + 1e-8)
    elif table.gradient == "clipped":
        nn.utils.clip_grads_with_norm_(weights, table.clip, norm)
    return norm
