"""The folder of a sweep: its request and runs, so that the same command can continue it."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nca.files import write_whole
from nca.jsonl import dumps
from nca.sweep.errors import SweepError, SweepFault
from nca.sweep.plan import Base, PlannedRun
from nca.sweep.records import FORMAT, SweepRecord, read_sweep

ASKED = "sweep.json"


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


def place(base: Base, runs: Sequence[PlannedRun], root: Path) -> Path:
    """Return the folder of the very same sweep, or else the next free `NAME-N`.

    Args:
        base: The recipe.
        runs: What the sweep trains, wherever.
        root: Where sweeps lie.
    """
    wanted = {run.overrides for run in runs}
    number = 1
    while (folder := root / f"{base.name}-{number}").exists():
        request = read_sweep(folder / ASKED)
        if request and _of(base, request) and {run.overrides for run in request.runs} == wanted:
            return folder
        number += 1
    return folder


def _of(base: Base, request: SweepRecord) -> bool:
    return (request.name, request.recipe) == (base.name, base.text)
