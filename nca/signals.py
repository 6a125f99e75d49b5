"""Signals that end a process: which there are, and taking them for a while."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


def ending_signals() -> list[int]:
    """Return SIGTERM and SIGHUP, less those that the process was started to ignore (nohup)."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def signals_taken(numbers: Iterable[int], handler: Callable[[int, object], None]) -> Iterator[None]:
    """Hand signals to a handler in a block of the main thread, and to those before it again."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
