"""A lock on a folder, so that two processes never write into it.

The system takes the lock back when its process ends, however it ends. Where it knows no such
locks, nothing is locked.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nca.errors import StorageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"
PAUSE = 0.1


@contextmanager
def folder_lock(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Make the folder if need be, and hold its lock.

    Args:
        folder: The folder.
        patience: Seconds to wait for another process to leave it.

    Raises:
        StorageError: It cannot be made, or another process is in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as fault:
        raise StorageError(
            f"the folder cannot be made: {fault.strerror}.",
            where=str(folder),
            to_do="choose another one: nca sweep ... --out FOLDER",
        ) from fault
    with file:
        limit = time.monotonic() + patience
        while fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as fault:
                if time.monotonic() >= limit:
                    raise StorageError(
                        "another sweep is at work in this folder.",
                        where=str(folder),
                        to_do="wait for it, or choose another folder: nca sweep ... --out FOLDER",
                    ) from fault
                time.sleep(PAUSE)
        yield
