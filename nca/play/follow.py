"""Follow a training run: load its newest weights whenever they are written."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nca.jsonl import read_lines
from nca.play.frames import about
from nca.play.hub import Hub
from nca.play.model import PlayedModel
from nca.play.reporting import Repeats
from nca.play.session import Session

PAUSE = 0.5
MOST_POINTS = 400
LARGEST = 1e300
"""A loss beyond it has diverged, and is left out of the curve."""


def follower(hub: Hub, run: Path, load: Callable[[], PlayedModel]) -> Callable[[], Any]:
    """Return what makes the coroutine that follows a run.

    Args:
        hub: Gets a session of the newest weights, at its beginning, under the same random seed.
        run: The run's folder.
        load: Loads its newest checkpoint.
    """

    async def follow() -> None:
        seen, repeats = stamp(run), Repeats()
        while True:
            try:
                hub.news = {"run": loss_curve(run)}
                if stamp(run) not in (None, seen):
                    seen = stamp(run)
                    await _take_over(hub, load)
            except Exception as fault:
                if repeats.new(fault):
                    await hub.report(fault)
            await asyncio.sleep(PAUSE)

    return follow


async def _take_over(hub: Hub, load: Callable[[], PlayedModel]) -> None:
    model = await hub.do(load)
    branch = hub.session.here.branch
    hub.session = await hub.do(Session, model, branch.random_seed, branch.start)
    await hub.send("about", **about(hub.session), **hub.choice)
    hub.changed()


def stamp(run: Path) -> tuple[int, int] | None:
    """Return what changes whenever the run's newest checkpoint is written anew."""
    try:
        file = newest(run).stat()
    except OSError:  # the folder was moved or removed: what was there last goes on
        return None
    return file.st_mtime_ns, file.st_ino


def newest(run: Path) -> Path:
    """Return the file of the run's newest weights."""
    return run / "last.safetensors"


def loss_curve(run: Path) -> dict[str, Any]:
    """Return the run's losses so far, thinned out: iterations and losses."""
    rows = [
        (row["iteration"], float(row["loss"]))
        for row in read_lines(run / "metrics.jsonl")
        if type(row.get("iteration")) is int and _finite(row.get("loss"))
    ]
    thin = -(-len(rows) // MOST_POINTS) or 1
    kept = rows[::thin]
    return {"iterations": [at for at, _ in kept], "losses": [loss for _, loss in kept]}


def _finite(loss: object) -> bool:
    """Return whether a loss can be drawn."""
    return type(loss) in (int, float) and abs(loss) <= LARGEST  # pyright: ignore[reportArgumentType]
