"""Monitor of a training: means for the log, and signs of failure."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from nca.engine.state import State
from nca.errors import DivergedError
from nca.progress import Progress
from nca.training.learner import ADVICE
from nca.training.run import Run

REPORT_EVERY = 10
"""Iterations of one record."""

DAY = 24 * 3600

DEAD_FOR = 100
"""Iterations with nothing but dead cells after which training stops."""

HUGE = 1e3
"""Greatest absolute value of a state that is no explosion."""

ShowStates = Callable[[State], None]
"""Takes the last states of a batch now and then, for a picture."""


class TrainingMonitor:
    """Collects losses, writes a record every few iterations, and detects dead or exploding states.

    Numbers stay on the device until they are reported, so that a GPU need not wait for them; of
    several processes each takes its own, and they are put together as they are reported.

    Args:
        run: Where training stands.
        progress: Where records and warnings are reported.
        show: See `ShowStates`.
    """

    def __init__(self, run: Run, progress: Progress, show: ShowStates | None = None) -> None:
        self.run, self.progress, self.show = run, progress, show
        self._terms: list[dict[str, Tensor]] = []
        self._norm: Tensor | None = None
        self._state: State | None = None
        self._since = self._taken = time.perf_counter()
        self._count = 0
        self._dead_since: int | None = None
        self._exploding = False

    def take(self, terms: dict[str, Tensor], norm: Tensor, state: State) -> None:
        """Take the loss terms, gradient norm and last states of an iteration."""
        self._say_how_long()
        self._terms.append({name: term.detach().mean() for name, term in terms.items()})
        self._norm, self._state = norm, state.detach()
        if len(self._terms) >= REPORT_EVERY:
            self.report()

    def report(self) -> None:
        """Write one record over the iterations since the last one.

        Raises:
            DivergedError: The loss is not finite, or all states have been dead for long.
        """
        if not self._terms or self._norm is None or self._state is None:
            return
        count, run = len(self._terms), self.run
        names = list(self._terms[0])
        own = torch.stack([torch.stack([t[n] for t in self._terms]).mean() for n in names])
        means = dict(zip(names, run.group.samples.mean(own).tolist(), strict=True))
        loss, now = sum(means.values()), time.perf_counter()
        samples = run.table.batch * (len(run.members) or 1)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss}: the states or weights have left the finite numbers.",
                where=f"iterations {run.iteration - count + 1} to {run.iteration}",
                to_do=f"{ADVICE}; {run.to_return_to}",
            )
        record = {
            "iteration": run.iteration,
            "kind": "train",
            "loss": loss,
            **(means if len(means) > 1 else {}),
            "learning rate": run.optimiser.param_groups[0]["lr"],
            "gradient norm": self._norm.item(),
            "samples per second": count * samples / (now - self._since),
        }
        self._check_alive(self._state)
        self._check_explosion(self._state)
        run.log.write(record)
        self.progress.advance(run.iteration)
        self.progress.record(record)
        if self.show:
            self.show(self._state)
        self._terms, self._since = [], time.perf_counter()

    def _say_how_long(self) -> None:
        """Note, at the second iteration of this process, what takes days; the first may compile."""
        now, self._count = time.perf_counter(), self._count + 1
        if self._count == 2:
            left = self.run.table.iterations - self.run.iteration
            days = left * (now - self._taken) / DAY
            if days > 1:
                self.progress.note(
                    f"{left:,} iterations are left, which take about {days:,.0f} days"
                )
        self._taken = now

    def _check_alive(self, state: State) -> None:
        living = self.run.automaton.alive_mask(state)
        if living is None or self.run.group.any(bool(living.any())):
            self._dead_since = None
            return
        if self._dead_since is None:
            self._dead_since = self.run.iteration
            self.progress.note(
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

    def _check_explosion(self, state: State) -> None:
        levels = self.run.automaton.writable_levels
        greatest = self.run.group.max(max(state[name].abs().max().item() for name in levels))
        if greatest > HUGE and not self._exploding:
            self.progress.note(
                f"iteration {self.run.iteration}: states explode, up to {greatest:.3g}; a lower "
                'learning_rate, gradient = "normalised" or fewer steps may help'
            )
        self._exploding = greatest > HUGE
