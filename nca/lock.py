"""A lock on a folder, so that two processes never write into it.

The system takes the lock back when its process ends, however it ends. Where a file system knows no
locks, nothing is locked.
"""

import errno
import json
import os
import secrets
import shutil
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from nca.errors import StorageError
from nca.files import make_folder
from nca.jsonl import dumps

LOCK = ".nca.lock"
"""The file that is locked; it stays, and says who has locked it last."""
PAUSE = 0.1
HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
"""What the system answers if another process has the lock."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
"""What it answers where it knows no locks."""

_held: "weakref.WeakValueDictionary[Path, FolderLock]" = weakref.WeakValueDictionary()


class FolderLock:
    """The lock of one folder, held by this process for as long as the object is.

    A process that has it gets it again: the same object.

    Attributes:
        folder: The folder.
    """

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._identity = os.fstat(handle)
        self.release = weakref.finalize(self, os.close, handle)

    @classmethod
    def take(cls, folder: Path, to_do: str, *, patience: float = 0.0) -> "FolderLock":
        """Return the lock of a folder that is there.

        Args:
            folder: The folder.
            to_do: What the error advises where the folder cannot be used or is taken.
            patience: Seconds to wait for another process to leave it.

        Raises:
            StorageError: Another process has it, and which; or no file can be made in the folder.
        """
        path = folder / LOCK
        known = _held.get(path.resolve())
        if known is not None and known.release.alive and known._is(path):
            return known
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as fault:
            raise StorageError(
                f"the folder cannot be locked: {fault.strerror}.", where=str(path), to_do=to_do
            ) from fault
        limit = time.monotonic() + patience
        while not _locked(handle):
            if time.monotonic() >= limit:
                holder = _holder(handle)
                os.close(handle)
                raise StorageError(
                    f"another process is at work in this folder: {holder}.",
                    where=str(folder),
                    to_do=to_do,
                )
            time.sleep(PAUSE)
        if not _is_open_as(handle, path):  # removed between its opening and its locking
            os.close(handle)
            what = "another process has just removed the folder."
            raise StorageError(what, where=str(folder), to_do=to_do)
        _sign(handle)
        lock = _held[path.resolve()] = cls(folder, handle)
        return lock

    def discard(self) -> None:
        """Remove the folder and all that is in it, and release the lock, as one act.

        Other processes see the folder whole and locked, or do not see it.
        """
        away = self.folder.with_name(f".{self.folder.name[:50]}.{secrets.token_hex(8)}.part")
        try:
            self.folder.rename(away)
        except OSError:  # Windows moves no folder in which a file is open
            away = self.folder
        self.release()
        shutil.rmtree(away, ignore_errors=True)

    def discard_if_empty(self) -> None:
        """Do so where nothing lies in the folder but the lock."""
        with suppress(OSError):
            if [path.name for path in self.folder.iterdir()] == [LOCK]:
                self.discard()

    def _is(self, path: Path) -> bool:
        with suppress(OSError):
            return os.path.samestat(path.stat(), self._identity)
        return False


@contextmanager
def folder_lock(folder: Path, to_do: str, *, patience: float = 0.0) -> Iterator[FolderLock]:
    """Make a folder if need be, and hold its lock meanwhile.

    Args:
        folder: The folder.
        to_do: As of `FolderLock.take`.
        patience: Seconds to wait for another process to leave it.

    Raises:
        StorageError: It cannot be made, or another process is in it.
    """
    make_folder(folder, "the folder", to_do)
    yield FolderLock.take(folder, to_do, patience=patience)


try:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

except ImportError:  # Windows
    import msvcrt

    BEYOND = 1 << 20
    """A byte beyond all that is written, so that others can read who has the lock."""

    def _lock(handle: int) -> None:
        os.lseek(handle, BEYOND, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]


def _locked(handle: int) -> bool:
    """Try to lock an open file; True, too, where there are no locks."""
    try:
        _lock(handle)
    except OSError as fault:
        if fault.errno in HELD:
            return False
        if fault.errno not in NO_LOCKS:
            raise
    return True


def _is_open_as(handle: int, path: Path) -> bool:
    """Return whether the file that is open is the one that a path leads to."""
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(handle))
    return False


def _sign(handle: int) -> None:
    """Write who has the lock; it holds without that, too."""
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    words = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # a full disk
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, dumps(words).encode())


def _holder(handle: int) -> str:
    """Return who has the lock, in words."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        words = json.loads(os.read(handle, 4096))
        host, since = (
            "".join(letter for letter in str(words[name])[:80] if letter.isprintable())
            for name in ("host", "since")
        )
        return f"process {int(words['process'])} on {host}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):  # it is just being written, or was not
        return "which one is not known"
