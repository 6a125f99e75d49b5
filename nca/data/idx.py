"""Read, verify and keep idx files, the format of LeCun's digits.

An idx file is two zero bytes, one byte for the type, one for the number of axes, the side of
each axis as a big-endian 32-bit number, and then the raw values. Files lie where torchvision
lays them, `ROOT/NAME/raw/FILE`, so that both share one copy. The sha256 of the uncompressed
bytes is checked at every reading, however the file came there: a flipped pixel is refused, not
trained on.
"""

import contextlib
import gzip
import hashlib
import io
import math
import os
import struct
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nca.errors import DataError
from nca.files import home, is_file, make_folder, read_bounded, user_path, write_whole

if TYPE_CHECKING:  # data sets are listed, fetched and checked without torch
    from torch import Tensor

UNSIGNED_BYTE = 0x08
LARGEST = 1 << 30  # bytes; a foreign archive that swells beyond this is refused, not unpacked
LARGEST_FILE = 1 << 30  # bytes, as it lies on the disk
CHUNK = 1 << 20
MARGIN = f"\n{'':10}"  # under the first words of an error's second and third line


def sha256(data: bytes) -> str:
    """Return the sha256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def tilde(path: Path) -> str:
    """Return `path` as people write it, with `~` for the home folder."""
    with contextlib.suppress(ValueError, RuntimeError):
        return str(Path("~") / path.relative_to(Path.home()))
    return str(path)


@dataclass(frozen=True)
class IdxFile:
    """One file of a data set.

    Attributes:
        name: Its name without folder and without `.gz`.
        sha256: Of the uncompressed bytes, in lower-case hexadecimal; compressed files of honest
            mirrors differ in their headers.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class SplitFiles:
    """The two files of a split."""

    images: IdxFile
    labels: IdxFile


@dataclass(frozen=True)
class FileStatus:
    """What became of one file.

    Attributes:
        name: The file.
        state: `ok`, `missing` or `wrong`.
        path: Where it lies, if it does.
        fault: What is wrong with it.
    """

    name: str
    state: Literal["ok", "missing", "wrong"]
    path: Path | None = None
    fault: DataError | None = None


@dataclass(frozen=True)
class RawFolder:
    """The folder of one data set, `ROOT/NAME/raw`, in which each file may also lie as `.gz`.

    `images-idx3-ubyte` may be called `images.idx3-ubyte`, as some archives have it, and lie in a
    folder of its own name, as some programs unpack it.
    """

    path: Path

    def find(self, file: IdxFile) -> Path | None:
        """Return where the file lies, uncompressed first; None where it does not."""
        dotted = file.name.replace("-idx", ".idx")
        for name in dict.fromkeys((file.name, dotted)):
            for path in (self.path / name, self.path / f"{name}.gz"):
                inside = path / path.name
                if is_file(inside):
                    return inside
                if _is_there(path):
                    return path
        return None

    def read(self, file: IdxFile) -> bytes | None:
        """Return the verified, uncompressed bytes; None where there is no such file.

        Raises:
            DataError: There is a file, but it cannot be read or has other bytes.
        """
        path = self.find(file)
        if path is None:
            return None
        to_do = "give yourself the right to read it, or delete it"
        data = read_bounded(path, LARGEST_FILE, path.name, to_do, DataError)
        found = None
        try:
            data = gunzip(data) if path.suffix == ".gz" else data
        except ValueError as fault:
            found = f"a file that {fault}"
        else:
            if sha256(data) == file.sha256:
                return data
        raise DataError(
            f"{path.name} is not the file it claims to be.",
            where=f"{path}{MARGIN}expected sha256 {file.sha256}{MARGIN}"
            f"found    {found or f'sha256 {sha256(data)}'}",
            to_do="delete this file; it is fetched afresh when it is next needed",
        )

    def write(self, file: IdxFile, data: bytes) -> None:
        """Put the file there whole or not at all; several processes may do so at once.

        Raises:
            StorageError: The folder cannot be made or written to.
        """
        to_do = "make room there or the right to write, or choose another folder with --data FOLDER"
        make_folder(self.path, "the folder of the data set", to_do)
        write_whole(self.path / file.name, data, to_do=to_do)


def _is_there(path: Path) -> bool:
    """Return whether there is anything; False, too, where one may not look or no path can be."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def find_file(file: IdxFile, folders: Iterable[RawFolder]) -> Path | None:
    """Return where the file lies, in the first folder that has it."""
    return next((path for folder in folders if (path := folder.find(file)) is not None), None)


def read_file(file: IdxFile, folders: Iterable[RawFolder]) -> bytes | None:
    """Return the verified bytes from the first folder that has the file.

    Raises:
        DataError: That folder has other bytes; later folders do not make up for it.
    """
    return next((data for folder in folders if (data := folder.read(file)) is not None), None)


def roots(folder: Path | None = None) -> list[Path]:
    """Return the folders to look in; what is fetched goes into the first.

    They are `folder`, then the environment variable `NCA_DATA`, then `cache_folder()`.
    """
    given = os.environ.get("NCA_DATA")
    named = [folder, Path(given) if given else None, cache_folder()]
    return list(dict.fromkeys(user_path(root).absolute() for root in named if root is not None))


def cache_folder() -> Path:
    """Return the folder in which the user's system keeps what can be fetched again."""
    stated = os.environ.get("XDG_CACHE_HOME")
    if stated and Path(stated).is_absolute():  # the standard says to ignore others
        return Path(stated) / "nca"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home() / "AppData/Local") / "nca/cache"
    if sys.platform == "darwin":
        return home() / "Library/Caches/nca"
    return home() / ".cache/nca"


def gunzip(data: bytes) -> bytes:
    """Return the uncompressed bytes.

    Raises:
        ValueError: The bytes are no whole gzip file, or hold more than `LARGEST` bytes.
    """
    plain = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            for chunk in iter(partial(stream.read, CHUNK), b""):
                plain += chunk
                if len(plain) > LARGEST:
                    raise ValueError(f"holds more than {LARGEST} bytes")
    except (OSError, EOFError, zlib.error) as fault:
        raise ValueError("is no whole gzip file") from fault
    return bytes(plain)


def parse_idx(data: bytes, name: str) -> "Tensor":
    """Return the values of an idx file of unsigned bytes as a uint8 tensor that may be written to.

    Args:
        data: The uncompressed file.
        name: What to call it in an error.

    Raises:
        DataError: Another magic number, another type, or a length that does not fit the sides.
    """
    import torch

    def fault(what: str) -> DataError:
        return DataError(
            f"{name} is no idx file of unsigned bytes: {what}.",
            where=f"{name}, {len(data)} bytes, of which the first are {data[:4].hex(' ')!r}",
            to_do="give the uncompressed idx file",
        )

    if len(data) < 4 or data[:2] != b"\0\0":
        raise fault("it does not begin with two zero bytes, a type and a number of axes")
    kind, axes = data[2], data[3]
    if kind != UNSIGNED_BYTE:
        raise fault(f"its type is 0x{kind:02x}, but unsigned bytes are 0x{UNSIGNED_BYTE:02x}")
    start = 4 + 4 * axes
    if axes == 0 or len(data) < start:
        raise fault(f"it ends before the sides of its {axes} axes")
    sides = struct.unpack(f">{axes}I", data[4:start])
    if len(data) - start != math.prod(sides):
        raise fault(f"its sides {sides} ask for {math.prod(sides)} values, not {len(data) - start}")
    if 0 in sides:
        raise fault(f"its sides {sides} leave no values")
    # Through a bytearray, because torch warns about tensors on bytes that cannot be written to.
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).reshape(sides)
