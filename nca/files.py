"""Atomic files: a file of results is there whole or not at all, even if the power fails.

The content goes into a temporary file beside its place, is flushed to the disk, and the temporary
file is renamed. Its name cannot be guessed, so that several processes may write the same file:
the last rename wins.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from nca.errors import StorageError


def write_whole(
    path: Path,
    content: bytes,
    *,
    to_do: str = "free some space or choose another folder; what was there before is untouched",
) -> None:
    """Write a file atomically: on failure the old file, if any, is kept and nothing else is left.

    Args:
        path: The file; its folder must exist.
        content: All of its bytes.
        to_do: What the error advises.

    Raises:
        StorageError: No space, no permission, no such folder.
    """
    part = path.parent / f".{path.name}.{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as fault:
        raise StorageError(
            f"{path.name or path} cannot be written: {fault.strerror or fault}.",
            where=str(path),
            to_do=to_do,
        ) from fault
    finally:  # Ctrl-C too; after the rename there is nothing to remove
        with suppress(OSError):
            part.unlink()
    _flush(path.parent)


def make_folder(folder: Path, what: str, to_do: str) -> Path:
    """Make a folder, and those around it, where it is missing; return it.

    Args:
        folder: The folder.
        what: What the error calls it.
        to_do: What the error advises.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StorageError(
            f"{what} cannot be made: {fault.strerror}.", where=str(folder), to_do=to_do
        ) from fault
    return folder


def unused(path: Path) -> Path:
    """Return a path where nothing lies: this one, or the first of NAME-2, NAME-3, ...

    For output without a name of its own: it must not replace what is there.
    """
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def is_file(path: Path) -> bool:
    """Return whether there is a file; False, too, where the system allows no such path."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _flush(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # some file systems cannot flush a folder
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
