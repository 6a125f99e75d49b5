"""Threads: as many as are fastest by the clock, looked at again when throughput changes.

Two threads share each operation, and wait for each other at its end: where operations are small,
or another process needs one of the processors, fewer may be faster. The number changes no result
but for the order in which products are summed; a run that is resumed keeps to what it last took.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from nca.progress import SILENT, Progress
from nca.training.memory_planner import IterationProbe
from nca.training.run import Run

NEAR = 1.05
"""The fewest threads are taken that need at most so many times the time of the fastest."""

CHANGED = 2.0
"""Throughput that is so many times as low or high as it was is a reason to look again ..."""

PATIENCE = 3
"""... if it stays so for this many records."""


def choose_threads(run: Run, progress: Progress) -> None:
    """Let operations on the CPU use as many threads as are fastest, and say so.

    Nothing is chosen on another device, for one of several processes, or where the user has
    chosen, by `OMP_NUM_THREADS`.

    Args:
        run: Where training stands.
        progress: Where the choice is noted.
    """
    if not _may_choose(run) or run.iteration >= run.table.iterations:
        return
    known, most = run.log.last("threads"), torch.get_num_threads()
    count = known and known.get("threads")
    if type(count) is int and 1 <= count <= most:
        torch.set_num_threads(count)
        progress.note(f"threads: {count} of {most}, as this run has had them")
    else:
        _try(run, progress, most, progress)


class ThreadWatch(Progress):
    """Looks at the number of threads again when the throughput of a run has changed.

    Args:
        run: Where training stands.
        progress: Where a new choice is noted.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run, self.progress = run, progress
        self.most = torch.get_num_threads()
        self.usual: float | None = None
        self.odd = 0

    def record(self, row: Mapping[str, Any]) -> None:
        """Take the throughput of the last iterations."""
        rate = row.get("samples per second")
        if not isinstance(rate, float) or not _may_choose(self.run) or self.most == 1:
            return
        if self.usual is None:
            self.usual = rate
        changed = not self.usual / CHANGED <= rate <= self.usual * CHANGED
        self.odd = self.odd + 1 if changed else 0
        if self.odd == PATIENCE:
            self.progress.note(
                f"throughput has changed from {self.usual:,.0f} to {rate:,.0f} samples a second"
            )
            _try(self.run, self.progress, self.most)
            self.usual, self.odd = None, 0


@contextmanager
def threads_restored() -> Iterator[None]:
    """Leave torch with as many threads as it had, whatever is chosen in between."""
    count = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(count)


def _may_choose(run: Run) -> bool:
    alone = run.device.type == "cpu" and run.group.count == 1
    return alone and "OMP_NUM_THREADS" not in os.environ


def _try(run: Run, progress: Progress, most: int, watcher: Progress = SILENT) -> None:
    """Time an iteration with one thread, half of them and all, and take the best."""
    counts = sorted({1, max(1, most // 2), most})
    if len(counts) == 1:
        return
    seconds: dict[int, float] = {}
    for count in counts:
        torch.set_num_threads(count)
        seconds[count] = IterationProbe(run, watcher).seconds()
    fastest = min(seconds.values())
    taken = next(count for count in counts if seconds[count] <= NEAR * fastest)
    torch.set_num_threads(taken)
    words = ", ".join(f"{seconds[count]:.2g} s an iteration with {count}" for count in counts)
    progress.note(f"threads: {taken} of {most}; {words}")
    times = {str(count): time for count, time in seconds.items()}
    run.log.write(
        {"iteration": run.iteration, "kind": "threads", "threads": taken, "seconds": times}
    )
