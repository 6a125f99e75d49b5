"""Work of the worker thread: whoever does it asks, between two of its pieces, whether to go on.

`watching` says who watches what this thread does; a loop calls `ask` once a turn, and ends by
`StoppedError` if the work is wanted no more.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from nca.errors import NCAError
from nca.progress import SILENT, Progress

_watcher: ContextVar[Progress] = ContextVar("watcher", default=SILENT)


class StoppedError(NCAError):
    """The work was stopped between two of its pieces; nothing of it is kept."""

    def __init__(self) -> None:
        super().__init__(
            "what was being worked on was stopped.",
            where="between two of its steps",
            to_do="ask for it again, or for less of it",
        )


@contextmanager
def watching(progress: Progress) -> Iterator[None]:
    """Let an observer watch, and stop, what this thread does."""
    before = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(before)


def work_progress() -> Progress:
    """Return whoever watches what this thread does."""
    return _watcher.get()


def ask() -> None:
    """Ask whether to go on.

    Raises:
        StoppedError: The work is wanted no more.
    """
    if _watcher.get().stopped():
        raise StoppedError


class WatchedWork(Progress):
    """One piece of work of the worker thread.

    Args:
        ended: Set when all work shall end.
    """

    def __init__(self, ended: threading.Event) -> None:
        self.since = time.monotonic()
        self.what, self.done, self.total = "", 0, None
        self._ended, self._stop = ended, threading.Event()

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Keep what it is."""
        self.what, self.done, self.total = what, done, total

    def advance(self, done: int, part: str = "") -> None:
        """Keep how far it is."""
        self.done = done

    def stop(self) -> None:
        """Let it end between two of its pieces."""
        self._stop.set()

    def stopped(self) -> bool:
        """Return whether it shall end."""
        return self._stop.is_set() or self._ended.is_set()

    def to_json(self) -> dict[str, Any]:
        """Return what a page shows of it."""
        return {"what": self.what, "done": self.done, "total": self.total}
