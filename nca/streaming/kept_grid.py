"""A grid that stays on the disk with a record of where it stands, so that it can go on.

A pass over all tiles writes into files of its own, and counts once it is whole: who is killed in
the middle loses that pass alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, ValidationError

from nca.errors import StorageError
from nca.files import is_file, make_folder, read_bounded, write_whole
from nca.jsonl import dumps, parse_json
from nca.lock import LOCK, FolderLock
from nca.streaming.grid_file import GridFile
from nca.types import Natural

RECORD = "stream.json"
LARGEST = 1 << 16
"""Bytes of a record, at most."""
ANOTHER = "give the command as it was, or another folder: --keep FOLDER"


class _GridRecord(BaseModel):
    """What stands beside a grid."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1] = 1
    made_of: dict[str, str]
    filled: bool = False
    step: Natural = 0
    turn: Annotated[int, Ge(0), Le(1)] = 0


@dataclass(frozen=True)
class KeptGrid:
    """A grid and its record; the folder is locked for as long as this is held.

    Attributes:
        grid: Where it stands.
        filled: Whether it has had its first states; without them it is to be filled anew.
        made_of: What its states follow from, by name.
        lock: Keeps other processes out.
    """

    grid: GridFile
    filled: bool
    made_of: Mapping[str, str]
    lock: FolderLock

    @classmethod
    def take(cls, empty: GridFile, made_of: Mapping[str, str]) -> "KeptGrid":
        """Return the grid that is kept in a folder, or begin one there.

        Args:
            empty: The grid as it would begin; its folder is made if it is missing.
            made_of: What its states follow from.

        Raises:
            StorageError: The folder holds something else, or a grid of something else; another
                process is in it; there is too little room.
        """
        folder = make_folder(empty.folder, "the grid's folder", "choose another one")
        lock = FolderLock.take(folder, "wait for it to end, or choose another folder")
        path = folder / RECORD
        if not is_file(path):
            if any(one.name != LOCK for one in folder.iterdir()):
                raise StorageError(
                    "the folder holds other things than a grid.",
                    where=str(folder),
                    to_do="choose a new or an empty folder: --keep FOLDER",
                )
            empty.allocate()
            kept = cls(empty, False, made_of, lock)
            kept.note()
            return kept
        found = _read(path)
        other = {name: had for name, had in found.made_of.items() if made_of.get(name) != had}
        if other:
            words = ", ".join(f"{name} {had}" for name, had in other.items())
            raise StorageError(
                f"the grid in this folder is another one: it was begun with {words}.",
                where=str(folder),
                to_do=ANOTHER,
            )
        grid = replace(empty, step=found.step, turn=found.turn)
        grid.check_files()
        return cls(grid, found.filled, made_of, lock)

    def at(self, grid: GridFile) -> "KeptGrid":
        """Return the same with a grid that has moved on, and record where it stands.

        Raises:
            StorageError: Grid or record cannot be written.
        """
        grid.flush()  # before the record: a machine may lose its power between the two
        moved = replace(self, grid=grid, filled=True)
        moved.note()
        return moved

    def note(self) -> None:
        """Write the record.

        Raises:
            StorageError: It cannot be written.
        """
        record = _GridRecord(
            made_of=dict(self.made_of), filled=self.filled, step=self.grid.step, turn=self.grid.turn
        )
        write_whole(self.grid.folder / RECORD, dumps(record.model_dump(), indent=2).encode())


def _read(path: Path) -> _GridRecord:
    try:
        given: Any = parse_json(read_bounded(path, LARGEST, "the record of the grid"))
        return _GridRecord.model_validate(given)
    except (ValueError, ValidationError) as fault:
        reason = str(fault).splitlines()[0]
        raise StorageError(
            f"the record of the grid is damaged: {reason}.", where=str(path), to_do=ANOTHER
        ) from fault
