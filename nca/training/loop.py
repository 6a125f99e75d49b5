"""The training loop, from top to bottom.

Each iteration makes a batch or draws it from the pool, runs it for some steps, computes the loss
of the last state (or the last few), follows the gradient, and puts the states back. Everything
random is counted, so that an iteration depends on the weights, the pool and its own number alone.
Several processes compute all of this alike, from the same numbers, and divide only the steps of
the automaton and their gradients among them; so they agree on every decision without asking.

`train` does that for a recipe. Without one, an automaton is a module like any other:

```python
import torch
from torch import nn

import nca


class Rule(nca.UpdateRule):
    def __init__(self, channels: int = 8, hidden: int = 32) -> None:
        super().__init__()
        self.perceive = nca.StencilPerception(channels, axes=2)
        self.hidden = nn.Linear(self.perceive.features, hidden)
        self.change = nn.Linear(hidden, channels)
        nn.init.zeros_(self.change.weight)

    def forward(self, view: nca.View) -> torch.Tensor:
        return nca.perceptron(self.perceive(view, view.own), self.hidden, self.change)


layout = nca.Layout([nca.Level("body", channels=8)])
automaton = nca.Automaton(layout, {"body": [Rule()]}, fire_rate=0.5)
optimiser = torch.optim.Adam(automaton.parameters(), lr=2e-3)
target = torch.zeros(4, 16, 16)
target[:, 4:12, 4:12] = 1.0  # a white square, opaque
for iteration in range(60):
    state = automaton.seed(batch=4, size=(16, 16), random_seed=iteration)
    state["body"][:, 3:, 8, 8] = 1.0  # one living cell in the middle
    state = automaton.rollout(state, steps=12)
    loss = (state["body"][:, :4] - target).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
```
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from nca.engine.rng import HostRNG
from nca.evaluation.evaluate import Measurement, evaluate
from nca.progress import SILENT, Progress
from nca.recipe.tables import Train
from nca.tasks.batch import Batch
from nca.training.ema import ema_weights
from nca.training.forward_backward import forward_backward, training_step
from nca.training.monitor import ShowStates, TrainingMonitor
from nca.training.run import Run


def train(run: Run, progress: Progress = SILENT, show: ShowStates | None = None) -> None:
    """Train until the recipe's last iteration, or until `progress.stopped()`.

    Logs, validates and saves on the way; where it stops, the last checkpoint is of that moment.

    Args:
        run: Where training stands; it is moved forward.
        progress: Where it is reported: iterations, the records of `metrics.jsonl`, warnings.
        show: Takes the last states now and then, for a picture.

    Raises:
        DivergedError: The loss is not finite any more, or all states stay dead.
        StorageError: A checkpoint or the log cannot be written; the last one is whole.
    """
    table, rollout = run.table, run.recipe.tables.rollout
    weights = list(run.modules.parameters())
    step = run.group.wrap_ddp(training_step(run))
    monitor = TrainingMonitor(run, progress, show)
    run.modules.train()
    _begin(run, progress)
    while run.iteration < table.iterations:
        draw = HostRNG(run.recipe.tables.random_seed, run.iteration)
        index, batch = next_batch(run, draw)
        steps = draw.integer("steps", *rollout.steps)
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(table, run.iteration)

        last_state, terms = forward_backward(step, run, batch, steps)
        norm = clip_or_normalise(weights, table)
        run.optimiser.step()
        if run.ema:
            run.ema.update(run.iteration)
        if run.pool is not None and index is not None:
            run.pool.put(index, Batch(last_state, batch.truth))
        run.iteration += 1

        monitor.take(terms, norm, last_state)
        last, stopped = run.iteration == table.iterations, run.group.any(progress.stopped())
        if table.validate_every and (run.iteration % table.validate_every == 0 or last):
            validate(run, progress)
        if run.iteration % table.save_every == 0 or last or stopped:
            monitor.report()
            run.save()
        if stopped:
            return


def _begin(run: Run, progress: Progress) -> None:
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


def validate(run: Run, progress: Progress = SILENT) -> Measurement:
    """Measure on held-out data, log it, and keep the weights if they are the best so far."""
    with ema_weights(run.ema), run.recipe.autocast(run.device):
        (row,) = evaluate(
            run.automaton,
            run.task,
            split="held_out",
            steps=run.recipe.evaluation_steps[:1],
            table=run.recipe.tables.evaluate,
            samples=run.table.validate_samples,
            disturb=False,
            progress=progress,
        )
    record = {"iteration": run.iteration, "kind": "held_out", **row.to_json()}
    run.log.write(record)
    _begin(run, progress)
    progress.record(record)
    headline = row.metrics[run.task.headline]
    sign = 1 if run.task.better == "more" else -1
    if math.isfinite(headline) and (run.best is None or sign * headline > sign * run.best):
        run.best = headline
        run.save_best({"held_out": [row.to_json()]})
    return row
