"""An iteration of `[evolve] kind = "strategies"`: the slope of the loss without its derivatives.

It takes the place of the forward and backward pass, and nothing else changes: the optimiser, its
schedule, averaged weights, the pool and checkpoints are those of any run. All trials start from
the same states and draw the same random numbers. The weights as they are take part as one more
member, whose loss is logged and whose states go on.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nca.engine.population import Population
from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.engine.wide import on_host
from nca.recipe.tables import EvolveByStrategies
from nca.tasks.batch import Batch
from nca.training.evolution import evolution_slope
from nca.training.learner import Learner

AUTOMATON, TASK = "automaton.", "task."


class StrategiesStep(nn.Module):
    """Trials of weights with noise on them, and the slope of the loss that they tell.

    Args:
        learner: Whose weights are tried.
        table: How many trials there are, and how far from the weights.
    """

    def __init__(self, learner: Learner, table: EvolveByStrategies) -> None:
        super().__init__()
        self.learner, self.table = learner, table
        self.population = Population.clones(learner.automaton, table.population + 1)

    @torch.no_grad()
    def estimate(self, batch: Batch, steps: int) -> tuple[State, dict[str, Tensor]]:
        """Put the slope of the loss where an optimiser looks for a gradient.

        Args:
            batch: The states to start from, with their truth.
            steps: How many steps the rollout takes.

        Returns:
            The last state under the weights as they are, and the terms of its loss, each `(B,)`.
        """
        learner = self.learner
        now = dict(learner.modules.named_parameters())
        kept = {name: weight.detach().clone() for name, weight in now.items()}
        found: list[tuple[State, dict[str, Tensor]]] = []

        def judge(trials: Mapping[str, Tensor]) -> Tensor:
            stack = {n: torch.cat([kept[n].unsqueeze(0), each]) for n, each in trials.items()}
            every = self._rollouts(stack, batch, steps)
            losses = []
            for number, states in enumerate(every):
                self._set_task(stack, number)
                with learner.recipe.autocast(learner.device):
                    terms = learner.task.loss(states, batch)
                    losses.append(self._loss(states[-1], batch, terms))
                if not number:
                    found.append((states[-1], terms))
            self._set_task(stack, 0)
            return torch.stack(losses[1:])

        key = HostRNG(learner.recipe.tables.random_seed, learner.iteration)
        pairs, sigma = self.table.population // 2, self.table.sigma
        slopes, _ = evolution_slope(kept, judge, pairs=pairs, sigma=sigma, key=key)
        for name, weight in now.items():
            weight.grad = slopes[name]
        return found[0]

    def _rollouts(self, stack: Mapping[str, Tensor], batch: Batch, steps: int) -> list[list[State]]:
        """Return the last states of each member, the very last one last."""
        population = self.population.train()
        own = {n.removeprefix(AUTOMATON): t for n, t in stack.items() if n.startswith(AUTOMATON)}
        population.take_weights(own)
        count = min(self.learner.table.last_states, steps)
        with self.learner.recipe.autocast(self.learner.device):
            states = population.rollout([batch.state] * len(population), steps - count + 1)
            moments = [states]
            for _ in range(count - 1):
                moments.append(population.rollout(moments[-1], 1))
        finish = self.learner.automaton.finish
        return [[finish(state) for state in each] for each in zip(*moments, strict=True)]

    def _set_task(self, stack: Mapping[str, Tensor], number: int) -> None:
        for name, weight in self.learner.task.named_parameters():
            weight.copy_(stack[f"{TASK}{name}"][number])

    def _loss(self, state: State, batch: Batch, terms: Mapping[str, Tensor]) -> Tensor:
        if self.table.fitness == "loss":
            return on_host(torch.stack([term.mean() for term in terms.values()]).sum())
        task = self.learner.task
        share = task.measure(state, batch)[task.headline]
        value = share.part.sum() / share.whole.sum()
        return -value if task.better == "more" else value
