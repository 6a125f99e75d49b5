"""Timing: how long a call takes, and for which share of that a processor worked for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Clock:
    """A clock that waits until the device is done.

    Attributes:
        device: What is waited for.
        now: Seconds from some moment on.
        worked: Seconds for which a processor has worked for this process.
        by_work: Whether a call takes as long as a processor has worked for it: on a machine that
            others load, with one thread.
    """

    device: torch.device
    now: Callable[[], float] = time.perf_counter
    worked: Callable[[], float] = time.process_time
    by_work: bool = False

    def seconds(self, call: Callable[[], object]) -> float:
        """Return how long a call takes."""
        return self.reading(call)[0]

    def reading(self, call: Callable[[], object]) -> tuple[float, float]:
        """Return how long a call takes, and for which share of that this process was at work."""
        self._wait()
        began, before = self.now(), self.worked()
        call()
        self._wait()
        passed, worked = self.now() - began, self.worked() - before
        return worked if self.by_work else passed, worked / max(passed, 1e-9)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


@dataclass
class Budget:
    """How long the whole may take, and what is left of it.

    Args:
        seconds: All there is.
        clock: Read from now on.
    """

    seconds: float
    clock: Clock

    def __post_init__(self) -> None:
        """Begin."""
        self.began = self.clock.now()

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return self.seconds - (self.clock.now() - self.began)
