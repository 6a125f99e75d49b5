"""Signals that ask a command to end: it saves, or at least leaves nothing half done behind."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nca.cli.waiting import loads_torch
from nca.progress import Progress
from nca.signals import ending_signals, signals_taken

TWICE_WITHIN = 2.0


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does: what it has begun is cleaned up.

    The exit code is 143 or 129. A second signal ends it at once. Whoever takes what a plugin raises
    for a fault of the plugin lets Ctrl-C through, and so this. While torch is imported, every
    signal ends it at once, Ctrl-C with 130: an exception in the midst of that comes out as any
    other, and nothing is begun yet that were to be cleaned up.
    """
    taken: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if loads_torch():
            os._exit(128 + number)
        signal.default_int_handler(number, frame)

    def end(number: int, _: object) -> None:
        if loads_torch():
            os._exit(128 + number)
        signal.signal(number, signal.SIG_DFL)
        taken.append(number)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    numbers = [n for n in ending_signals() if main and signal.getsignal(n) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    by_key = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if by_key:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # typer makes an exit of it, with the code of Ctrl-C
        if taken:
            sys.exit(128 + taken[0])
        raise
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        if by_key:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class Interruption(Progress):
    """Stops work between two iterations, at the first signal that asks for it.

    Attributes:
        signal: The number of the first signal: Ctrl-C, unless another one came.
    """

    def __init__(self, alone: bool) -> None:
        self.alone = alone
        self.signal: int = signal.SIGINT
        self.pressed: list[float] = []

    def press(self, number: int, _: object) -> None:
        """Take a signal; the second raises."""
        now = time.monotonic()
        if self.pressed and (self.alone or now - self.pressed[0] > TWICE_WITHIN):
            raise KeyboardInterrupt
        if not self.pressed:
            self.signal = number
        self.pressed.append(now)

    def stopped(self) -> bool:
        """Return whether it was pressed."""
        return bool(self.pressed)


@contextmanager
def interruptible(*, alone: bool = True) -> Iterator[Interruption]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP stop the work between two iterations.

    An iteration that is cut in the middle could not be resumed to the same bits. A second Ctrl-C
    stops at once; then the last checkpoint is the one to resume from.

    Args:
        alone: Whether this process is the only one; to those of torchrun one press comes twice,
            from the terminal and from torchrun.
    """
    interruption = Interruption(alone)
    # among several processes SIGTERM says that one of them is lost: `ProcessGroup.guard`
    numbers = [signal.SIGINT, *(ending_signals() if alone else ())]
    with signals_taken(numbers, interruption.press):
        yield interruption
