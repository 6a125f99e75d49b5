"""The training loop, from top to bottom.

Each iteration: make or draw a batch, let it live for some steps, judge the last state (or the
last few), walk against the gradient, put the states back. Everything random is counted, so that
an iteration depends on the weights, the pool and its own number alone.

Several processes do all of this alike, from the same numbers, and divide only the steps of the
automaton and their gradients among them. So they agree on every decision without asking.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.errors import DivergedError
from nca.evaluation.evaluate import Measurement, evaluate
from nca.recipe.tables import Train
from nca.tasks.batch import Batch
from nca.training.forward_backward import TrainingStep, forward_backward
from nca.training.run import Run

REPORT_EVERY = 10
DEAD_FOR = 100
HUGE = 1e3


def _nothing(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Watch:
    """Who wants to see how training goes; all of it may be left out.

    Attributes:
        record: Takes each record of `metrics.jsonl`.
        states: Takes the last states now and then, for a picture.
        notice: Takes a sentence that a person should read.
        measured: Takes how many samples of an evaluation are done.
        stopped: Asked after every iteration whether to save and stop there.
    """

    record: Callable[[dict[str, Any]], None] = _nothing
    states: Callable[[State], None] = _nothing
    notice: Callable[[str], None] = _nothing
    measured: Callable[[int], None] = _nothing
    stopped: Callable[[], bool] = bool


def train(run: Run, watch: Watch | None = None) -> None:
    """Train until the recipe's last iteration, or until told to stop.

    Logs, validates and saves on the way; where it stops, the last checkpoint is of that moment.

    Args:
        run: Where training stands; it is moved forward.
        watch: Who wants to see.

    Raises:
        DivergedError: The loss is no number any more, or all states stay dead.
        StorageError: A checkpoint or the log cannot be written; the last one is whole.
    """
    watch = watch or Watch()
    table, rollout = run.table, run.recipe.tables.rollout
    weights = list(run.modules.parameters())
    lesson = run.group.wrap_ddp(TrainingStep(run))
    vitals = TrainingMonitor(run, watch)
    run.modules.train()
    while run.iteration < table.iterations:
        draw = HostRNG(run.recipe.tables.random_seed, run.iteration)
        index, batch = next_batch(run, draw)
        steps = draw.integer("steps", *rollout.steps)
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(table, run.iteration)

        last_state, terms = forward_backward(lesson, run, batch, steps)
        norm = clip_or_normalise(weights, table)
        run.optimiser.step()
        if run.ema:
            run.ema.update(run.iteration)
        if run.pool is not None and index is not None:
            run.pool.put(index, Batch(last_state, batch.truth))
        run.iteration += 1

        vitals.take(terms, norm, last_state)
        last, stopped = run.iteration == table.iterations, run.group.any(watch.stopped())
        if table.validate_every and (run.iteration % table.validate_every == 0 or last):
            validate(run, watch)
        if run.iteration % table.save_every == 0 or last or stopped:
            vitals.report()
            run.save()
        if stopped:
            return


def next_batch(run: Run, draw: HostRNG) -> tuple[Tensor | None, Batch]:
    """Return the states to start from, and their places in the pool if there is one."""
    count = run.table.batch
    samples = torch.arange(count, device=run.device) + run.iteration * count
    fresh = replace(run.task.training_batch(draw, samples), draw=draw)
    renewal = run.recipe.tables.pool
    if run.pool is None or renewal is None:
        return None, fresh
    index, drawn = run.pool.sample(draw, count)
    if run.iteration < renewal.begin:
        return index, fresh
    if renewal.order == "loss":
        with torch.no_grad():
            terms = run.task.loss([drawn.state], drawn)
            worst_first = sum(terms.values()).argsort(descending=True, stable=True)  # pyright: ignore
        index, drawn = index[worst_first], drawn.select(worst_first)
    return index, renewal.refresh(drawn, fresh, run.automaton, draw)


def learning_rate(table: Train, iteration: int) -> float:
    """Return the learning rate of an iteration, counted from 0."""
    if iteration < table.warmup:
        return table.learning_rate * (iteration + 1) / (table.warmup + 1)
    way = (iteration - table.warmup) / max(table.iterations - table.warmup, 1)
    match table.schedule:
        case "linear":
            share = 1 - (1 - table.final) * way
        case "cosine":
            share = table.final + (1 - table.final) * (1 + math.cos(math.pi * way)) / 2
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


def validate(run: Run, watch: Watch) -> Measurement:
    """Measure on held-out data, log it, and keep the weights if they are the best so far."""
    with ema_weights(run), run.recipe.autocast(run.device):
        (row,) = evaluate(
            run.automaton,
            run.task,
            split="held_out",
            steps=run.recipe.evaluation_steps[:1],
            table=run.recipe.tables.evaluate,
            samples=run.table.validate_samples,
            disturb=False,
            watch=watch.measured,
        )
    record = {"iteration": run.iteration, "kind": "held_out", **row.to_json()}
    run.log.write(record)
    watch.record(record)
    headline = row.metrics[run.task.headline]
    sign = 1 if run.task.better == "more" else -1
    if math.isfinite(headline) and (run.best is None or sign * headline > sign * run.best):
        run.best = headline
        run.save_best({"held_out": [row.to_json()]})
    return row


class ema_weights:  # noqa: N801
    """Put the averaged weights in place for a while, if there are any."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def __enter__(self) -> None:
        """Exchange the weights."""
        self._exchange()

    def __exit__(self, *_: object) -> None:
        """Exchange them back."""
        self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        if self.run.ema:
            for name, weight in self.run.modules.named_parameters():
                kept = self.run.ema.tensors[name]
                weight.data, self.run.ema.tensors[name] = kept, weight.data


class TrainingMonitor:
    """Gather what happens, report it every few iterations, and notice when things go wrong.

    Numbers stay on the device until they are reported, so that a GPU need not wait for them.
    """

    def __init__(self, run: Run, watch: Watch) -> None:
        self.run, self.watch = run, watch
        self._terms: list[dict[str, Tensor]] = []
        self._norm: Tensor | None = None
        self._state: State | None = None
        self._since = time.perf_counter()
        self._dead_since: int | None = None
        self._exploding = False

    def take(self, terms: dict[str, Tensor], norm: Tensor, state: State) -> None:
        """Take what an iteration has brought."""
        self._terms.append({name: term.detach().mean() for name, term in terms.items()})
        self._norm, self._state = norm, state.detach()
        if len(self._terms) >= REPORT_EVERY:
            self.report()

    def report(self) -> None:
        """Write one record over the iterations since the last one.

        Raises:
            DivergedError: The loss is no number, or all states have been dead for long.
        """
        if not self._terms or self._norm is None or self._state is None:
            return
        count, run = len(self._terms), self.run
        means = {n: torch.stack([t[n] for t in self._terms]).mean().item() for n in self._terms[0]}
        loss, now = sum(means.values()), time.perf_counter()
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss}: the states or weights have left the finite numbers.",
                where=f"iterations {run.iteration - count + 1} to {run.iteration}",
                to_do='lower [train] learning_rate, or set gradient = "normalised" or "clipped"; '
                "last.safetensors is from before",
            )
        record = {
            "iteration": run.iteration,
            "kind": "train",
            "loss": loss,
            **(means if len(means) > 1 else {}),
            "learning rate": learning_rate(run.table, run.iteration - 1),
            "gradient norm": self._norm.item(),
            "samples per second": count * run.table.batch / (now - self._since),
        }
        self._heed_the_dead(self._state)
        self._heed_the_huge(self._state)
        run.log.write(record)
        self.watch.record(record)
        self.watch.states(self._state)
        self._terms, self._since = [], time.perf_counter()

    def _heed_the_dead(self, state: State) -> None:
        living = self.run.automaton.alive_mask(state)
        if living is None or living.any():
            self._dead_since = None
            return
        if self._dead_since is None:
            self._dead_since = self.run.iteration
            self.watch.notice(
                f"iteration {self.run.iteration}: every cell of the batch is dead, "
                "so that nothing can be learnt from it"
            )
        if self.run.iteration - self._dead_since >= DEAD_FOR:
            raise DivergedError(
                f"every cell of every batch has been dead for {DEAD_FOR} iterations.",
                where=f"since iteration {self._dead_since}",
                to_do="train without [pool] first, lower [train] learning_rate, or try another "
                "random_seed",
            )

    def _heed_the_huge(self, state: State) -> None:
        written = self.run.automaton.writable_levels
        greatest = max(state[name].abs().max().item() for name in written)
        if greatest > HUGE and not self._exploding:
            self.watch.notice(
                f"iteration {self.run.iteration}: states explode, up to {greatest:.3g}; a lower "
                'learning_rate, gradient = "normalised" or fewer steps may help'
            )
        self._exploding = greatest > HUGE
