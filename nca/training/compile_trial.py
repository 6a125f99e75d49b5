"""Whether compiled steps pay for a run: by the clock, on the run's own next batch.

To compile a step takes from seconds to a minute, and what comes out is not always faster. A run
that settles on compiled steps keeps to them when it is resumed, because they round differently.
"""

import math
from typing import Any, TypeAlias

from nca.backends.compiled import Compiled
from nca.engine.automaton import Automaton
from nca.errors import NCAError, ProcessError
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
        ProcessError: They are asked for, and several processes share the steps.
        NCAError: They are asked for, and torch cannot compile them here.
    """
    asked = run.table.compile
    if asked == "never" or run.iteration >= run.table.iterations:
        return
    automaton, told = _settled(run) if asked == "auto" else _demanded(run, "as the recipe asks")
    run.modules["automaton"] = automaton
    progress.note(f"{'compiled' if told['compiled'] else 'plain'} steps: {told['why']}")
    run.log.write({"iteration": run.iteration, "kind": "compile", **told})


Settled: TypeAlias = tuple[Automaton, dict[str, Any]]
"""What the run goes on with, and what there is to say of it."""


def _demanded(run: Run, why: str) -> Settled:
    if run.group.count > 1:
        raise ProcessError(
            f"steps that {run.group.count} processes share are not compiled.",
            where='[train] compile = "always"',
            to_do="leave it at auto or never, or run one process",
        )
    compiled = Compiled(run.automaton)
    seconds = _seconds(run, compiled)
    if isinstance(seconds, str):
        raise NCAError(
            f"torch cannot compile steps here: {seconds}",
            where="[train] compile",
            to_do="install what torch needs, a C++ compiler such as g++ on a CPU, or let compile "
            'be "never"',
        )
    return compiled, {"compiled": True, "why": why, "compiled seconds": seconds}


def _settled(run: Run) -> Settled:
    if run.group.count > 1:
        return _plain(run, "several processes share them")
    known = run.log.last("compile")
    if known is not None:
        why = "as this run began"
        return _demanded(run, why) if known.get("compiled") else _plain(run, why)
    if _spares(run.automaton):
        return _plain(run, "they spare the cells that cannot change, which compiled ones do not")
    plain = IterationProbe(run).seconds()
    left = plain * (run.table.iterations - run.iteration)
    if left < LONG:
        return _plain(run, f"about {math.ceil(left / 60)} min are left, too few to try", plain)
    compiled = Compiled(run.automaton)
    seconds = _seconds(run, compiled)
    if isinstance(seconds, str):
        return _plain(run, f"torch cannot compile them here: {seconds}", plain)
    why = f"{seconds:.3g} s an iteration compiled, {plain:.3g} s plain"
    pays = seconds * GAIN < plain
    told = {"compiled": pays, "why": why, "seconds": plain, "compiled seconds": seconds}
    return compiled if pays else run.automaton, told


def _seconds(run: Run, compiled: Compiled) -> float | str:
    """Return what an iteration by compiled steps takes, or why there are none."""
    plain = run.automaton
    run.modules["automaton"] = compiled
    try:
        return IterationProbe(run).seconds()
    except NCAError:
        raise
    except Exception as fault:  # whatever a compiler may raise
        return (str(fault).strip().splitlines() or [type(fault).__name__])[0]
    finally:
        run.modules["automaton"] = plain


def _plain(run: Run, why: str, seconds: float | None = None) -> Settled:
    told = {} if seconds is None else {"seconds": seconds}
    return run.automaton, {"compiled": False, "why": why, **told}


def _spares(automaton: Automaton) -> bool:
    """Return whether steps may work on a list of cells, which comes out longer or shorter."""
    if automaton.alive is None or automaton.sparse is False:
        return False
    rules = (automaton.rules_of(name) for name in automaton.writable_levels)
    return any(own and all(rule.cellwise for rule in own) for own in rules)
