"""Atomic files: a file of results is there whole or not at all, even if the power fails.

The content goes into a temporary file beside its place, is flushed to the disk, and the temporary
file is renamed. Its name cannot be guessed, so that several processes may write the same file:
the last rename wins. What is read is read whole, up to a bound.
"""

import codecs
import errno
import itertools
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from nca.errors import NCAError, StorageError

PART = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.part")
"""How a temporary file is called."""
LONGEST = 100
"""Letters of a file's name, at most, where somebody else has chosen it."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending."""


def write_whole(
    path: Path,
    content: bytes | Callable[[BinaryIO], object],
    *,
    to_do: str = "free some space or choose another folder; what was there before is untouched",
) -> None:
    """Write a file atomically: on failure the old file, if any, is kept and nothing else is left.

    Args:
        path: The file; its folder must exist.
        content: All of its bytes, or what writes them into a file that can be read too.
        to_do: What the error advises.

    Raises:
        StorageError: No space, no permission, no such folder.
    """
    part = path.parent / f".{path.name[:50]}.{secrets.token_hex(8)}.part"
    try:
        with part.open("x+b") as file:
            content(file) if callable(content) else file.write(content)
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


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file to read it; others are not waited for.

    Raises:
        OSError: It is missing, no ordinary file, or may not be read.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # a zero among its letters
        raise OSError(errno.EINVAL, "no path can be written like that") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is no ordinary file")
    return path.open("rb")


def read_bounded(
    path: Path,
    most: int,
    what: str,
    to_do: str = "give yourself the right to read it, or name another file",
    error: type[NCAError] = StorageError,
) -> bytes:
    """Return the bytes of an ordinary file; nothing else is waited for, or read without end.

    Args:
        path: The file.
        most: How many bytes it may have.
        what: What the error calls it.
        to_do: What the error advises.
        error: Its type.

    Raises:
        NCAError: It is missing, no ordinary file, too large, or may not be read.
    """
    try:
        with open_ordinary(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= most and len(content := file.read(most + 1)) <= most:
                return content
        reason = f"it has more than {most:,} bytes"
    except OSError as fault:
        reason = fault.strerror or str(fault)
    raise error(f"{what} cannot be read: {reason}.", where=str(path), to_do=to_do)


NAMES = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16"}
"""What encodings are called."""


def _encoding(content: bytes) -> str:
    """Return the encoding of a text: PowerShell writes UTF-16, which begins with a mark."""
    return "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def read_text_bounded(
    path: Path,
    most: int,
    what: str,
    to_do: str = "give a text file in UTF-8 that you may read",
) -> str:
    """Return the text of an ordinary file in UTF-8, or in UTF-16 with its mark; see `read_bounded`.

    Raises:
        NCAError: What `read_bounded` raises; it is no text.
    """
    content = read_bounded(path, most, what, to_do, NCAError)
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as fault:
        reason = f"it is no text in {NAMES[encoding]}, from byte {fault.start} on"
        raise NCAError(f"{what} cannot be read: {reason}.", where=str(path), to_do=to_do) from None


def holds(path: Path, content: bytes) -> bool:
    """Return whether an ordinary file has these bytes and no others."""
    with suppress(NCAError):
        return read_bounded(path, len(content), path.name) == content
    return False


def give_free_name(part: Path, path: Path) -> Path:
    """Rename a file to the first name that is free, as of `unused`, and return that.

    Others may be looking for one at the same time: each gets its own.
    """
    while True:
        free = unused(path)
        try:
            os.link(part, free)
        except FileExistsError:
            continue
        except OSError:  # the file system has no second names
            part.replace(free)
        else:
            part.unlink()
        return free


def leftovers(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield the temporary files that `write_whole` has left where it was killed.

    Args:
        folder: Where to look.
        names: Of the files that were being written.
    """
    for path in sorted(folder.iterdir()):
        form = PART.fullmatch(path.name)
        if form and form["name"] in names and is_file(path):
            yield path


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
    return next(free for free in numbered(path) if not os.path.lexists(free))


def numbered(path: Path) -> Iterator[Path]:
    """Yield a path, and then NAME-2, NAME-3, ... without end."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def safe_name(name: str) -> str:
    """Return what a file may be called after a name that somebody else has chosen.

    It leads to no other folder, is not hidden, no option and no device, and no system finds it too
    long; most names are left as they are.
    """
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name)
    kept = kept[:LONGEST].encode()[: 2 * LONGEST].decode(errors="ignore")
    kept = kept.lstrip(" .-").rstrip(" .") or "unnamed"
    return f"_{kept}" if DEVICES.fullmatch(kept.partition(".")[0].rstrip()) else kept


def demand_folder(folder: Path, what: str, to_do: str) -> None:
    """Refuse what is no folder that may be written to.

    Args:
        folder: It is not made.
        what: What the error calls it.
        to_do: What the error advises.

    Raises:
        StorageError: It is missing, no folder, or nothing may be written there.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - which takes any path
        raise StorageError(f"{what} is not there, or no folder.", where=str(folder), to_do=to_do)
    check_place(folder / "file", what, to_do)


def check_place(path: Path, what: str, to_do: str) -> None:
    """Refuse a path at which nothing can be written, before there is anything to write.

    Args:
        path: Where a file or folder is to be; what is missing around it is to be made.
        what: What the error calls it.
        to_do: What the error advises.

    Raises:
        StorageError: The system allows no such path, or nothing may be written there.
    """
    try:
        reason = _obstacle(path)
    except ValueError:  # a zero among its letters
        reason = "no path can be written like that"
    except OSError as fault:
        reason = f"{fault.strerror}"
    if reason:
        raise StorageError(f"{what} cannot be made: {reason}.", where=str(path), to_do=to_do)


def _obstacle(path: Path) -> str:
    """Return what stands in the way of a path, or nothing."""
    with suppress(FileNotFoundError):
        path.stat()
    around = path.absolute().parent
    while not os.path.lexists(around):
        around = around.parent
    if not around.is_dir():
        return os.strerror(errno.ENOTDIR)
    return "" if os.access(around, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)


def is_file(path: Path) -> bool:
    """Return whether there is a file; False, too, where the system allows no such path."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; False, too, where the system allows no such path."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def home() -> Path:
    """Return the user's home folder, or a folder for temporary files where there is none."""
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and no user of that number
        number = os.getuid() if hasattr(os, "getuid") else 0
        return Path(tempfile.gettempdir()) / f"nca-{number}"


def user_path(text: str | Path) -> Path:
    """Return a path with `~` as the home folder; as it stands where there is none."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _flush(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # some file systems cannot flush a folder
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
