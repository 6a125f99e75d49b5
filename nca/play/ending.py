"""How the server ends: at the first signal between two steps, at the second, or late, at once.

Nothing of `nca play` is on the disk, so that nothing is lost where it ends in the middle of a step.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nca.signals import ending_signals, signals_taken

PATIENCE = 1.0
"""Seconds after the first signal, at the end of which the process ends in any case."""


class Ending:
    """Takes the signals that ask a process to end.

    Attributes:
        signal: The first one, or 0.
        stop: Lets the work end between two of its steps.
        clean: Removes what must not stay on the disk.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.stop: Callable[[], None] = lambda: None
        self.clean: Callable[[], None] = lambda: None

    @property
    def code(self) -> int:
        """The exit status: 128 and the signal's number, or 0 without one."""
        return 128 + self.signal if self.signal else 0

    def take(self, number: int, _: object) -> None:
        """Take a signal; the second ends the process."""
        if self.signal:
            self.leave()
        self.signal = number
        watchdog = threading.Timer(PATIENCE, self.leave)
        watchdog.daemon = True
        watchdog.start()
        self.stop()

    def leave(self) -> None:
        """End the process, whatever its threads do."""
        self.clean()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(self.code)


@contextmanager
def ending() -> Iterator[Ending]:
    """Take signals in a block of the main thread."""
    taken = Ending()
    with signals_taken([signal.SIGINT, *ending_signals()], taken.take):
        yield taken
