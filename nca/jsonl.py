"""JSON that every reader takes, and files of it that grow by a line for each record."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nca.errors import StorageError
from nca.files import open_ordinary

DEPTH = 16
VALUES = 2_000_000
"""How deep what is read may be nested, and of how many values it may consist."""


LINE = 64 << 20
"""Bytes of a line that are read at once; what is longer is no record."""


def dumps(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    """Return a value as JSON; NaN and the infinite, which JSON does not have, become null.

    Args:
        value: What `json.dumps` takes, or any mapping in place of a dict.
        indent: Spaces for each depth; without it, all stands on one line.
        compact: Whether to leave out the spaces after commas and colons.
    """
    separators = (",", ":") if compact else None
    return json.dumps(_finite(value), indent=indent, separators=separators, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def nan_if_null(value: float | None) -> float:
    """Return a number that was read from JSON; null is NaN."""
    return math.nan if value is None else value


def parse_json(text: str | bytes, most: int = VALUES) -> Any:
    """Return what a text of JSON holds.

    Args:
        text: Of unknown origin.
        most: How many values it may hold.

    Raises:
        ValueError: It is no JSON, nested too deep, too much, or holds half a pair of surrogates,
            which could not be written again.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    left, inner = most, [(value, 0)]
    while inner:
        item, depth = inner.pop()
        left -= 1
        if left < 0 or depth > DEPTH:
            raise ValueError("it holds too much" if left < 0 else "it is nested too deep")
        if isinstance(item, str):
            item.encode()  # an error of Unicode is a ValueError
        elif isinstance(item, dict):
            inner += [(each, depth + 1) for pair in item.items() for each in pair]
        elif isinstance(item, list):
            inner += [(each, depth + 1) for each in item]
    return value


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file in their order; a line that holds none is passed over.

    Args:
        path: The file; a missing one has no records.

    Raises:
        StorageError: There is one, and it cannot be read.
    """
    try:
        with open_ordinary(path) as file:
            while line := file.readline(LINE):
                try:
                    record = parse_json(line)
                except ValueError:  # cut short by a kill, just being written, or damaged
                    continue
                if isinstance(record, dict):
                    yield record
    except FileNotFoundError:
        return
    except OSError as fault:
        raise StorageError(
            f"{path.name} cannot be read: {fault.strerror}.",
            where=str(path),
            to_do="give it back its place and its permissions, or move it away",
        ) from fault


class JsonLines:
    """A file of records, each a line of JSON; a kill costs at most the last line.

    Args:
        path: The file; it may be missing.
        name: What to call it where it cannot be written: `the log`.
        to_do: What to do then.
    """

    def __init__(self, path: Path, name: str, to_do: str) -> None:
        self.path, self.name, self.to_do = path, name, to_do

    def append(self, record: Mapping[str, Any]) -> None:
        """Append a record and hand it to the disk.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            with self.path.open("ab") as file:
                start = b"" if self._whole() else b"\n"  # a kill cut the last line short
                file.write(start + dumps(record).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise StorageError(
                f"{self.name} cannot be written: {fault.strerror}.",
                where=str(self.path),
                to_do=self.to_do,
            ) from fault

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield all records that are whole, in the order in which they were written."""
        return read_lines(self.path)

    def _whole(self) -> bool:
        with self.path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
