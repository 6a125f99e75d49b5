"""A trainer: what one iteration of a run does, and what is measured and kept of it.

`GradientTrainer` makes a batch or draws it from the pool, runs it for some steps, computes the
loss of the last state (or the last few), follows the gradient, or what `[evolve]` has in its
place, and puts the states back. Everything random is counted, so that an iteration depends on the
weights, the pool and its own number alone.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.evaluation.evaluate import Measurement, evaluate
from nca.progress import SILENT, Progress
from nca.recipe.recipe import Recipe
from nca.recipe.tables import Train
from nca.tasks.batch import Batch
from nca.training.ema import ema_weights
from nca.training.forward_backward import forward_backward, training_step
from nca.training.run import Run


@dataclass(frozen=True)
class Update:
    """What an iteration has shown.

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


class Trainer(ABC):
    """Does the iterations of a run, one after the other; the loop counts and logs them.

    Args:
        run: Where training stands.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @abstractmethod
    def iterate(self) -> Update:
        """Do the iteration of the run's number: move its weights, averages and pool."""

    @abstractmethod
    def validate(self, progress: Progress) -> None:
        """Measure on held-out data, log it, and keep the weights that are the best so far."""

    def validates(self) -> bool:
        """Return whether the iterations so far ask for a validation."""
        every, done = self.run.table.validate_every, self.run.iteration
        return bool(every) and (done % every == 0 or done == self.run.table.iterations)


class GradientTrainer(Trainer):
    """Moves the weights of a run along their gradient.

    Args:
        run: Where training stands.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.weights = list(run.modules.parameters())
        self.step = run.group.wrap_ddp(training_step(run))
        self._start: tuple[Tensor | None, Batch] | None = None

    def iterate(self) -> Update:
        """See `Trainer.iterate`."""
        update = self.look()
        self.move(update)
        return update

    def look(self) -> Update:
        """Run the batch of the iteration, and leave the gradient where the optimiser finds it."""
        run = self.run
        draw = HostRNG(run.recipe.tables.random_seed, run.iteration)
        index, batch = next_batch(run, draw)
        steps = draw.integer("steps", *run.recipe.tables.rollout.steps)
        state, terms = forward_backward(self.step, run, batch, steps)
        self._start = index, batch
        return Update(terms, clip_or_normalise(self.weights, run.table), state)

    def move(self, update: Update) -> None:
        """Follow the gradient that `look` has left, and put the states back into the pool."""
        assert self._start is not None
        run, (index, batch) = self.run, self._start
        self._start = None  # or it would be held while the next batch is run
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(run.table, run.iteration)
        run.optimiser.step()
        if run.ema:
            run.ema.update(run.iteration)
        if run.pool is not None and index is not None:
            run.pool.put(index, Batch(update.state, batch.truth))

    def validate(self, progress: Progress) -> None:
        """See `Trainer.validate`."""
        keep_if_best(self.run, measure_held_out(self.run, self.run.recipe, progress), progress)


def begin_training(run: Run, progress: Progress) -> None:
    """Report the beginning of training, or its return from a validation."""
    total = run.table.iterations
    progress.begin(run.recipe.name, total, done=run.iteration, unit="iterations")


def next_batch(run: Run, draw: HostRNG) -> tuple[Tensor | None, Batch]:
    """Return the states to start from, and their places in the pool if there is one."""
    count = run.table.batch
    samples = torch.arange(count, device=run.device) + run.iteration * count
    fresh = replace(run.task.training_batch(draw, samples), draw=draw)
    options = run.recipe.tables.pool
    if run.pool is None or options is None:
        return None, fresh
    index, drawn = run.pool.sample(draw, count)
    if run.iteration < options.begin:
        return index, fresh
    if options.order == "loss":
        with torch.no_grad():
            terms = run.task.loss([drawn.state], drawn)
            worst_first = sum(terms.values()).argsort(descending=True, stable=True)  # pyright: ignore
        index, drawn = index[worst_first], drawn.select(worst_first)
    return index, options.refresh(drawn, fresh, run.automaton, draw)


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


def measure_held_out(run: Run, recipe: Recipe, progress: Progress = SILENT) -> Measurement:
    """Measure the averaged weights of a run, or those of now, on held-out data.

    Args:
        run: Whose weights are measured.
        recipe: Says at which steps, and what else `[evaluate]` says.
        progress: Where it is reported.
    """
    with ema_weights(run.ema), run.recipe.autocast(run.device):
        (row,) = evaluate(
            run.automaton,
            run.task,
            split="held_out",
            steps=recipe.evaluation_steps[:1],
            table=recipe.tables.evaluate,
            samples=run.table.validate_samples,
            disturb=False,
            progress=progress,
        )
    return row


def keep_if_best(run: Run, row: Measurement, progress: Progress = SILENT) -> None:
    """Log what was measured on held-out data, and keep the weights if they are the best so far.

    Args:
        run: Where training stands.
        row: What its weights have measured.
        progress: Where it is reported.
    """
    record = {"iteration": run.iteration, "kind": "held_out", **row.to_json()}
    run.log.write(record)
    begin_training(run, progress)
    progress.record(record)
    headline = row.metrics[run.task.headline]
    sign = 1 if run.task.better == "more" else -1
    if math.isfinite(headline) and (run.best is None or sign * headline > sign * run.best):
        run.best = headline
        run.save_best({"held_out": [row.to_json()]})
