"""The log of a run: its metrics, line by line."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nca.files import write_whole
from nca.jsonl import JsonLines, dumps

LONGEST = 2**53


class MetricsLog:
    """`metrics.jsonl`: one line of JSON per record; a kill costs at most the last line.

    Args:
        path: The file; what was written after `iteration` is dropped, for it will come again.
        iteration: Where the run stands.
        writes: Whether to write at all; of several processes one does.
    """

    def __init__(self, path: Path, iteration: int, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        to_do = "free some space, then continue with nca run --resume"
        self._lines = JsonLines(path, "the log", to_do)
        if not writes:
            return
        kept = [row for row in self.records() if row["iteration"] <= iteration]
        write_whole(path, "".join(f"{dumps(row)}\n" for row in kept).encode())

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield all records, in the order in which they were written; each says when."""
        return (row for row in self._lines.records() if _whole(row))

    def last(self, kind: str) -> dict[str, Any] | None:
        """Return the last record of a kind, if there is any."""
        found = [row for row in self.records() if row.get("kind") == kind]
        return found[-1] if found else None

    def write(self, record: dict[str, Any]) -> None:
        """Append a record and hand it to the disk.

        Raises:
            StorageError: It cannot be written.
        """
        if self.writes:
            self._lines.append(record)


def _whole(row: Mapping[str, Any]) -> bool:
    """Return whether a row is a record: a file that was damaged or edited may hold others."""
    at = row.get("iteration")
    return type(at) is int and 0 <= at < LONGEST
