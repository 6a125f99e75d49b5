"""The folder of a sweep: its request and runs, so that the same command can continue it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nca.files import write_whole
from nca.jsonl import dumps
from nca.sweep.errors import SweepError, SweepFault
from nca.sweep.plan import Base, PlannedRun

ASKED = "sweep.json"
FORMAT = 1


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
    request = _read(folder)
    if request is None and not (folder / ASKED).exists():
        return []
    if request is None or not _of(base, request):
        what = "holds a damaged sweep" if request is None else "holds a sweep of another recipe"
        to_do = "move it away, or choose another folder: nca sweep ... --out FOLDER"
        raise SweepError("the folder is taken.", [SweepFault(str(folder), f"{what}.", to_do)])
    return _runs(request)


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
        request = _read(folder)
        if request and _of(base, request) and {run.overrides for run in _runs(request)} == wanted:
            return folder
        number += 1
    return folder


def _of(base: Base, request: dict[str, Any]) -> bool:
    return (request["name"], request["recipe"]) == (base.name, base.text)


def _runs(request: dict[str, Any]) -> list[PlannedRun]:
    return [PlannedRun(**{**run, "overrides": tuple(run["overrides"])}) for run in request["runs"]]


def _read(folder: Path) -> dict[str, Any] | None:
    """Return what a sweep has written; None where there is none, or a damaged one."""
    try:
        request = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        _runs(request)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (
        request if request.get("format") == FORMAT and {"name", "recipe"} <= set(request) else None
    )
