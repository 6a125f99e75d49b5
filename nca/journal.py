"""Records in a file that grows, each a line of JSON; a kill costs at most the last line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nca.errors import StorageError


class Journal:
    """A file of records.

    Args:
        path: The file; it may be missing.
        name: What to call it where it cannot be written: `the log`.
        to_do: What to do then.
    """

    def __init__(self, path: Path, name: str, to_do: str) -> None:
        self.path, self.name, self.to_do = path, name, to_do

    def append(self, record: dict[str, Any]) -> None:
        """Append a record and hand it to the disk.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            with self.path.open("ab") as file:
                start = b"" if self._whole() else b"\n"  # a kill cut the last line short
                file.write(start + json.dumps(record).encode() + b"\n")
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
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # a line that a kill cut short
                continue
            if isinstance(record, dict):
                yield record

    def _whole(self) -> bool:
        with self.path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
