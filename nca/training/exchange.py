"""Exchange: members of a population learn each for itself, and the better replace the worse.

Population-based training (Jaderberg et al. 2017): gradients move the weights of each member, and
every so many iterations the worst on held-out data give way to copies of the best. A copy begins
with the weights, their averages, the optimiser's moments and the pool of its parent; noise is added
to its weights, and its hyperparameters are multiplied or divided. Its random numbers are those of
the member whose place it takes. Without an exchange each member is a run of its own, to the bit.
"""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nca.engine.population import weight_noise
from nca.engine.rng import HostRNG
from nca.progress import Progress
from nca.recipe.tables import EvolveByExchange
from nca.training.gradient_descent import GradientDescent, Update
from nca.training.run import Run
from nca.training.trainer import Trainer, keep_if_best, measure_held_out


class ExchangeTrainer(Trainer):
    """Trains the members of a population, and lets the better take the place of the worse.

    Args:
        run: Where training stands; it has members.
        table: How many are replaced, when, and by what.
    """

    def __init__(self, run: Run, table: EvolveByExchange) -> None:
        super().__init__(run)
        self.table = table
        for member in run.members:
            member.modules.train()
        self.descents = [GradientDescent(member) for member in run.members]

    def iterate(self) -> Update:
        """Let every member do the iteration; return the mean loss, and the states of the best.

        A member whose loss or gradient is not finite stays as it is; it is replaced as the worst.
        """
        updates = [self._iterated(number) for number in range(len(self.descents))]
        losses = torch.stack([update.loss for update in updates])
        sound = losses.isfinite()
        kept = [update for update, finite in zip(updates, sound.tolist(), strict=True) if finite]
        best = updates[int(losses.nan_to_num(torch.inf).argmin())]
        terms = {
            name: torch.stack([update.terms[name].mean() for update in kept or updates])
            for name in best.terms
        }
        return Update(terms, best.norm, best.state)

    def _iterated(self, number: int) -> Update:
        descent, member = self.descents[number], self.run.members[number]
        update = descent.look()
        if bool(update.loss.isfinite()) and bool(update.norm.isfinite()):
            descent.move(update)
        else:
            row = {"iteration": self.run.iteration + 1, "kind": "skipped", "member": number}
            self.run.log.write(row)
        member.iteration += 1
        return update

    def validates(self) -> bool:
        """Return whether a validation is due, or an exchange, or the run is at its end."""
        done = self.run.iteration
        return super().validates() or self._exchanges() or done == self.run.table.iterations

    def validate(self, progress: Progress) -> None:
        """Measure all members, keep the best if it is the best so far, and exchange if due."""
        run = self.run
        rows = [measure_held_out(member, run.recipe, progress) for member in run.members]
        scores = [row.metrics[run.task.headline] for row in rows]
        order = ranked(scores, more=run.task.better == "more")
        numbers = [individual.number for individual in run.individuals]
        run.lead(order[0])
        ranks = {"individuals": numbers, run.task.headline: scores}
        run.log.write({"iteration": run.iteration, "kind": "judged", **ranks})
        keep_if_best(run, rows[order[0]], progress)
        if self._exchanges():
            self._exchange(order, progress)

    def _exchanges(self) -> bool:
        done, table = self.run.iteration, self.table
        return bool(table.replace) and done % table.every == 0 and done < self.run.table.iterations

    def _exchange(self, order: Sequence[int], progress: Progress) -> None:
        """Put copies of the best in the place of the worst, the best in that of the very worst."""
        run, count = self.run, self.table.replace
        for better, worse in zip(order[:count], reversed(order[-count:]), strict=True):
            replace_member(run, worse, better, self.table)
            self.descents[worse] = GradientDescent(run.members[worse])
            individual = run.individuals[worse]
            row = {"iteration": run.iteration, "kind": "member", "member": worse}
            run.log.write({**row, **individual.to_json()})
            progress.note(f"iteration {run.iteration}: {individual.sentence(worse)}")


def ranked(scores: Sequence[float], *, more: bool) -> list[int]:
    """Return the places of scores, the best first; one that is no number is the worst.

    Args:
        scores: What was measured.
        more: Whether more is better.
    """
    sign = -1 if more else 1
    keys = [sign * score if math.isfinite(score) else math.inf for score in scores]
    return sorted(range(len(scores)), key=lambda number: keys[number])


def replace_member(run: Run, worse: int, better: int, table: EvolveByExchange) -> None:
    """Put a copy of one member, with noise on its weights, into the place of another.

    Args:
        run: Where training stands; it has members.
        worse: The member that is replaced.
        better: The member that is copied.
        table: How much noise there is, and how far hyperparameters may go.
    """
    member, source = run.members[worse], run.members[better]
    draw = HostRNG(run.recipe.tables.random_seed, run.iteration)
    individual = run.individuals[better].copied(run.born, table, draw)
    run.individuals[worse], run.born = individual, run.born + 1
    member.modules.load_state_dict(source.modules.state_dict())
    moments = copy.deepcopy(source.optimiser.state_dict()["state"])
    member.go_on_under(individual.recipe(run.recipe, worse), moments)
    if member.pool and source.pool:
        member.pool.load(source.pool.tensors())
    own = {
        name: weight
        for (name, weight), before in zip(
            member.modules.named_parameters(), source.modules.parameters(), strict=True
        )
        if source.optimiser.state.get(before)  # what no gradient has reached stays
    }
    averages = member.ema.tensors if member.ema else {}
    for name, average in (source.ema.tensors if source.ema else {}).items():
        averages[name].copy_(average)
    averages = {name: average for name, average in averages.items() if name in own}
    add_noise([own, averages], table.sigma, draw, individual.number)


@torch.no_grad()
def add_noise(
    copies: Sequence[Mapping[str, Tensor]], sigma: float, draw: HostRNG, number: int
) -> None:
    """Add the same normal noise to all copies of some weights.

    Args:
        copies: By name; the noise of each tensor is scaled by the root mean square of the first.
        sigma: Factor of the noise.
        draw: The randomness of the iteration.
        number: What else the noise follows from.
    """
    noise = weight_noise(copies[0], draw, torch.tensor([number]))
    scales = {name: sigma * weight.square().mean().sqrt() for name, weight in copies[0].items()}
    for weights in copies:
        for name, weight in weights.items():
            weight.add_(scales[name] * noise[name][0])
