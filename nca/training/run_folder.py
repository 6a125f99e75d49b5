"""The folder of a run: made and locked as one act, and tidied when a run goes on in it.

Two runs that start at once get two folders, and two processes never go on with one run. The lock is
held for as long as the run is; those who only read a run do without it.
"""

import os
from pathlib import Path

from nca.errors import CheckpointError, NCAError, StorageError
from nca.files import check_place, is_file, leftovers, make_folder, safe_name
from nca.lock import LOCK, FolderLock
from nca.recipe.recipe_files import COPIES

LAST, BEST = "last.safetensors", "best.safetensors"
RECIPE, METRICS, CURVES = "recipe.toml", "metrics.jsonl", "tensorboard"
FOUND = (
    "evaluation.json", "states.png", "levels.png", "curve.png", "lineage.png",
    "observation.json", "population.png", "film.gif",
)  # fmt: skip
"""What is written at the end of a run."""
WRITTEN = (RECIPE, METRICS, LAST, BEST, *FOUND, CURVES, COPIES)
"""All that a run writes into its folder."""
RUNS = Path("runs")
ANOTHER = "choose another one: nca run ... --out FOLDER"


def check_run_folder(out: Path | None) -> None:
    """Refuse a folder in which no run can begin, before there is a run.

    Raises:
        StorageError: It cannot be made, or another process is in it.
        NCAError: It holds a run, or other files that the run would replace.
    """
    check_place(out or RUNS / "NAME-N", "the run's folder", ANOTHER)
    if out is not None:
        _refuse_given(out)


def create_run_folder(out: Path | None, name: str) -> FolderLock:
    """Make the folder of a new run, and lock it.

    Args:
        out: It may be there, but without a run and without files that a run writes; None: the
            first of `runs/NAME-1`, `runs/NAME-2`, ... that is not there.
        name: The run's.

    Raises:
        StorageError: It cannot be made, or another process is in it.
        NCAError: It holds a run, or other files of the same names.
    """
    return _numbered(safe_name(name)) if out is None else _given(out)


def enter_run_folder(folder: Path) -> FolderLock:
    """Lock the folder of a run that is there, to go on with it.

    Raises:
        CheckpointError: There is no run.
        StorageError: Another process is in it.
    """
    if not is_file(folder / LAST):
        is_folder = os.path.isdir(folder)  # noqa: PTH112 - which takes any path
        there = "it holds no last.safetensors" if is_folder else "there is no such folder"
        raise CheckpointError(
            f"there is no such run: {there}.",
            where=str(folder),
            to_do="give a run's folder: runs/NAME",
        )
    return FolderLock.take(folder, "wait for it to end, or stop it, and give the command again")


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed had half written; the lock must be held."""
    for part in leftovers(folder, WRITTEN):
        part.unlink()


def _numbered(name: str) -> FolderLock:
    make_folder(RUNS, "the run's folder", ANOTHER)
    number = 1
    while True:
        folder = RUNS / f"{name}-{number}"
        number += 1
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as fault:
            raise StorageError(
                f"the run's folder cannot be made: {fault.strerror}.",
                where=str(folder),
                to_do=ANOTHER,
            ) from fault
        return FolderLock.take(folder, ANOTHER)


def _given(folder: Path) -> FolderLock:
    _refuse_given(folder)
    make_folder(folder, "the run's folder", ANOTHER)
    lock = FolderLock.take(folder, ANOTHER)
    _refuse_taken(folder, (LAST,))  # once more: another process may have been there
    return lock


def _refuse_given(folder: Path) -> None:
    if os.path.lexists(folder / LOCK):  # a run has begun here, and perhaps left no checkpoint
        FolderLock.take(folder, ANOTHER)  # or it is going on
        _refuse_taken(folder, (LAST,))
    else:
        _refuse_taken(folder, WRITTEN)


def _refuse_taken(folder: Path, names: tuple[str, ...]) -> None:
    taken = [name for name in names if os.path.lexists(folder / name)]
    if LAST in taken:
        raise NCAError(
            "the folder already holds a run.",
            where=str(folder),
            to_do=f"continue it with nca run --resume {folder}, or choose another folder",
        )
    if taken:
        raise NCAError(
            f"the folder holds files that the run would replace: {', '.join(taken)}.",
            where=str(folder),
            to_do=ANOTHER,
        )
