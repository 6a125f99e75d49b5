"""The log of a run: what was measured on its way, line by line."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nca.checkpoint import write_whole
from nca.errors import StorageError


class Log:
    """`metrics.jsonl`: one line of JSON per record; a kill costs at most the last line.

    Args:
        path: The file; what was written after `iteration` is dropped, for it will come again.
        iteration: Where the run stands.
        writes: Whether to write at all; of several processes one does.
    """

    def __init__(self, path: Path, iteration: int, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        if not writes:
            return
        kept = [row for row in self._rows() if row["iteration"] <= iteration]
        write_whole(path, "".join(f"{json.dumps(row)}\n" for row in kept).encode())

    def write(self, record: dict[str, Any]) -> None:
        """Append a record and hand it to the disk."""
        if not self.writes:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(record)}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise StorageError(
                f"the log cannot be written: {fault.strerror}.",
                where=str(self.path),
                to_do="free some space, then continue with nca run --resume",
            ) from fault

    def _rows(self) -> Iterable[dict[str, Any]]:
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # a line that a kill cut short
                continue
            if isinstance(row, dict) and isinstance(row.get("iteration"), int):
                yield row
