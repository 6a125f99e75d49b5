"""The folder of a sweep: its request and runs, so that the same command can continue it."""

import os
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from nca.errors import StorageError
from nca.files import make_folder, write_whole
from nca.jsonl import dumps
from nca.lock import FolderLock
from nca.sweep.errors import SweepError, SweepFault
from nca.sweep.plan import Base, PlannedRun
from nca.sweep.records import FORMAT, SweepRecord, read_sweep

ASKED = "sweep.json"
ROOT = Path("sweeps")
"""Where sweeps lie that were given no folder."""


def write_asked(folder: Path, base: Base, runs: Sequence[PlannedRun]) -> None:
    """Write `sweep.json`: the recipe, and every run that has a folder here.

    Raises:
        StorageError: It cannot be written.
    """
    request = {
        "format": FORMAT,
        "name": base.name,
        "recipe": base.text,
        "runs": [asdict(run) for run in runs],
    }
    write_whole(folder / ASKED, dumps(request, indent=2).encode())


def known_runs(folder: Path, base: Base) -> list[PlannedRun]:
    """Return the runs that have their places in a folder; none if it holds no sweep.

    Raises:
        SweepError: It holds a sweep of another recipe, or a damaged one.
    """
    request = read_sweep(folder / ASKED)
    if request is None and not os.path.lexists(folder / ASKED):
        return []
    if request is None or not _of(base, request):
        what = "holds a damaged sweep" if request is None else "holds a sweep of another recipe"
        to_do = "move it away, or choose another folder: nca sweep ... --out FOLDER"
        raise SweepError("the folder is taken.", [SweepFault(str(folder), f"{what}.", to_do)])
    return request.planned


def take_folder(
    base: Base, wanted: Collection[tuple[str, ...]], root: Path, to_do: str
) -> FolderLock:
    """Lock the folder of the very same sweep, or else make and lock the next free `NAME-N`.

    Args:
        base: The recipe.
        wanted: The overrides of the runs of the sweep.
        root: Where sweeps lie.
        to_do: What the error advises where the folder cannot be used or is taken.

    Raises:
        StorageError: It cannot be made, or another process is at this sweep.
    """
    make_folder(root, "the folder of sweeps", to_do)
    number = 1
    while True:
        folder = root / f"{base.name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            request = read_sweep(folder / ASKED)
            if not _is_same(request, base, wanted):
                number += 1
                continue
        except OSError as fault:
            what = f"the sweep's folder cannot be made: {fault.strerror}."
            raise StorageError(what, where=str(folder), to_do=to_do) from fault
        return FolderLock.take(folder, to_do)


def _is_same(request: SweepRecord | None, base: Base, wanted: Collection[tuple[str, ...]]) -> bool:
    if request is None or not _of(base, request):
        return False
    return {run.overrides for run in request.runs} == set(wanted)


def _of(base: Base, request: SweepRecord) -> bool:
    return (request.name, request.recipe) == (base.name, base.text)
