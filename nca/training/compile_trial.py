"""Whether compiled steps pay for a run: by the clock, on the run's own next batch.

To compile a step takes from seconds to a minute, and what comes out is not always faster. A run
that settles on compiled steps keeps to them when it is resumed, because they round differently.
"""

import math
from typing import Any

from nca.backends.sparse import spares_cells
from nca.errors import NCAError
from nca.progress import Progress
from nca.training.memory_planner import IterationProbe
from nca.training.run import Run

LONG = 600.0
"""Seconds that a run must still have ahead of it before a trial is worth its time."""

GAIN = 1.05
"""How many times as fast compiled steps must be at least."""


def choose_compile(run: Run, progress: Progress) -> None:
    """Give a run compiled steps if its recipe asks for them, and, if `auto`, if they pay; say so.

    Args:
        run: Where training stands.
        progress: Where the choice is noted.

    Raises:
        NCAError: They are asked for, and torch cannot compile them here.
    """
    asked = run.table.compile
    if asked == "never" or run.iteration >= run.table.iterations:
        return
    record = _tried(run) if asked == "auto" else _demanded(run, "as the recipe asks")
    run.automaton.compiled = "training" if record["compiled"] else "never"
    progress.note(f"{'compiled' if record['compiled'] else 'plain'} steps: {record['why']}")
    run.log.write({"iteration": run.iteration, "kind": "compile", **record})


def _demanded(run: Run, why: str) -> dict[str, Any]:
    seconds = _compiled_seconds(run)
    if isinstance(seconds, str):
        raise NCAError(
            f"torch cannot compile steps here: {seconds}",
            where="[train] compile",
            to_do="install what torch needs, a C++ compiler such as g++ on a CPU, or let compile "
            'be "never"',
        )
    return {"compiled": True, "why": why, "compiled seconds": seconds}


def _tried(run: Run) -> dict[str, Any]:
    known = run.log.last("compile")
    if known is not None:
        why = "as this run began"
        return _demanded(run, why) if known.get("compiled") else _plain(why)
    if run.automaton.sparse is not False and spares_cells(run.automaton.spec):
        return _plain("they spare the cells that cannot change, which compiled ones do not")
    plain = _slowest(run, IterationProbe(run).seconds())
    left = plain * (run.table.iterations - run.iteration)
    if left < LONG:
        return _plain(f"about {math.ceil(left / 60)} min are left, too few to try", plain)
    seconds = _compiled_seconds(run)
    if isinstance(seconds, str):
        return _plain(f"torch cannot compile them here: {seconds}", plain)
    why = f"{seconds:.3g} s an iteration compiled, {plain:.3g} s plain"
    pays = seconds * GAIN < plain
    return {"compiled": pays, "why": why, "seconds": plain, "compiled seconds": seconds}


def _compiled_seconds(run: Run) -> float | str:
    """Return what an iteration by compiled steps takes in the slowest process, or why none can."""
    automaton, before, fault, seconds = run.automaton, run.automaton.compiled, "", 0.0
    automaton.compiled = "training"
    try:
        seconds = IterationProbe(run).seconds()
    except NCAError:
        raise
    except Exception as error:  # whatever a compiler may raise
        fault = (str(error).strip().splitlines() or [type(error).__name__])[0]
    finally:
        automaton.compiled = before
    if run.group.any(bool(fault)):
        return fault or "another process cannot"
    return _slowest(run, seconds)


def _slowest(run: Run, seconds: float) -> float:
    """Return the seconds of the slowest process, to the microsecond if there are several."""
    return seconds if run.group.count == 1 else run.group.max(round(seconds * 1e6)) / 1e6


def _plain(why: str, seconds: float | None = None) -> dict[str, Any]:
    measured = {} if seconds is None else {"seconds": seconds}
    return {"compiled": False, "why": why, **measured}
