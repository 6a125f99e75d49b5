"""The pulse of a check: asked between its steps, it keeps the time and shows that work goes on."""

import math
import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds between two signs of life."""


class TimeUpError(Exception):
    """The time is up in the middle of a check; what it has found so far does not count."""


class Pulse:
    """Keeps the time of a check.

    Args:
        until: When the time is up, as `time.monotonic` counts; infinite: never.
        show: Called now and then while a check goes on.
    """

    def __init__(self, until: float = math.inf, show: Callable[[], None] = lambda: None) -> None:
        self.until, self.show = until, show
        self.shown = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def beat(self) -> None:
        """Say that a step was taken.

        Raises:
            TimeUpError: The time is up.
        """
        if self.over:
            raise TimeUpError
        if time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            self.show()
