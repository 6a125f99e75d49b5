"""Watch a training run as it goes: take its newest weights as soon as they are written."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nca.errors import NCAError
from nca.jsonl import read_lines
from nca.lab.frames import about
from nca.lab.lab import Lab
from nca.lab.session import Session
from nca.lab.subject import Subject

PAUSE = 0.5
MOST_POINTS = 400


def follower(lab: Lab, run: Path, load: Callable[[], Subject]) -> Callable[[], Any]:
    """Return what makes the coroutine that follows a run.

    Args:
        lab: Gets a session of the newest weights, at its beginning, under the same random seed.
        run: The run's folder.
        load: Loads its newest checkpoint.
    """

    async def follow() -> None:
        seen = stamp(run)
        while True:
            lab.news = {"run": progress(run)}
            await asyncio.sleep(PAUSE)
            if stamp(run) in (None, seen):
                continue
            seen = stamp(run)
            try:
                subject = await lab.do(load)
            except NCAError as fault:
                for guest in list(lab.guests):
                    await guest.tell("fault", what=fault.what, where=fault.where, to_do=fault.to_do)
                continue
            branch = lab.session.here.branch
            session = await lab.do(Session, subject, branch.random_seed, branch.start)
            lab.session = session
            told = about(session)
            for guest in list(lab.guests):
                await guest.tell("about", **told)
            lab.changed()

    return follow


def stamp(run: Path) -> tuple[int, int] | None:
    """Return what changes whenever the run's newest checkpoint is written anew."""
    try:
        told = newest(run).stat()
    except OSError:  # the folder was moved or removed: what was there last goes on
        return None
    return told.st_mtime_ns, told.st_ino


def newest(run: Path) -> Path:
    """Return the file of the run's newest weights."""
    return run / "last.safetensors"


def progress(run: Path) -> dict[str, Any]:
    """Return the run's losses so far, thinned out: iterations and losses."""
    rows = [
        (row["iteration"], row["loss"])
        for row in read_lines(run / "metrics.jsonl")
        if isinstance(row.get("loss"), int | float) and isinstance(row.get("iteration"), int)
    ]
    thin = -(-len(rows) // MOST_POINTS) or 1
    kept = rows[::thin]
    return {"iterations": [at for at, _ in kept], "losses": [loss for _, loss in kept]}
