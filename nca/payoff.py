"""Whether compiled steps pay for a run: by the clock, on the run's own next batch.

To compile a step takes from seconds to a minute, and what comes out is not always faster. A run
that settles on compiled steps keeps to them when it is resumed, because they round differently.
"""

import math
from typing import Any

from nca.automaton import Automaton
from nca.compiled import Compiled
from nca.errors import NCAError, ProcessError
from nca.planning import Trial
from nca.run import Run
from nca.training import Watch

LONG = 600.0
"""Seconds that a run must still have ahead of it before a trial is worth its time."""

GAIN = 1.05
"""How many times as fast compiled steps must be at least."""


def settle_compile(run: Run, watch: Watch) -> None:
    """Give a run compiled steps if its recipe asks for them, and, if `auto`, if they pay; say so.

    Args:
        run: Where training stands.
        watch: Who is told.

    Raises:
        ProcessError: They are asked for, and several processes share the steps.
        NCAError: They are asked for, and torch cannot compile them here.
    """
    asked = run.table.compile
    if asked == "never" or run.iteration >= run.table.iterations:
        return
    told = _settled(run) if asked == "auto" else _demanded(run)
    if told["compiled"]:
        run.modules["automaton"] = Compiled(run.automaton)
    watch.notice(f"{'compiled' if told['compiled'] else 'plain'} steps: {told['why']}")
    run.log.write({"iteration": run.iteration, "kind": "compile", **told})


def _demanded(run: Run) -> dict[str, Any]:
    if run.crew.count > 1:
        raise ProcessError(
            f"steps that {run.crew.count} processes share are not compiled.",
            where='[train] compile = "always"',
            to_do="leave it at auto or never, or run one process",
        )
    return {"compiled": True, "why": "as the recipe asks"}


def _settled(run: Run) -> dict[str, Any]:
    if run.crew.count > 1:
        return _plain("several processes share them")
    known = run.log.last("compile")
    if known is not None:
        return {"compiled": bool(known.get("compiled")), "why": "as this run began"}
    if _spares(run.automaton):
        return _plain("they spare the cells that cannot change, which compiled ones do not")
    seconds = Trial(run).seconds()
    left = seconds * (run.table.iterations - run.iteration)
    if left < LONG:
        return _plain(f"about {math.ceil(left / 60)} min are left, too few to try", seconds)
    plain = run.automaton
    run.modules["automaton"] = Compiled(plain)
    try:
        compiled = Trial(run).seconds()
    except NCAError:
        raise
    except Exception as fault:  # whatever a compiler may raise
        words = str(fault).strip().splitlines() or [type(fault).__name__]
        return _plain(f"torch cannot compile them here: {words[0]}", seconds)
    finally:
        run.modules["automaton"] = plain
    why = f"{compiled:.3g} s an iteration compiled, {seconds:.3g} s plain"
    told = {"seconds": seconds, "compiled seconds": compiled}
    return {"compiled": compiled * GAIN < seconds, "why": why, **told}


def _plain(why: str, seconds: float | None = None) -> dict[str, Any]:
    told = {} if seconds is None else {"seconds": seconds}
    return {"compiled": False, "why": why, **told}


def _spares(automaton: Automaton) -> bool:
    """Return whether steps may work on a list of cells, which comes out longer or shorter."""
    if automaton.alive is None or automaton.sparse is False:
        return False
    rules = (automaton.rules_of(name) for name in automaton.written)
    return any(own and all(rule.cellwise for rule in own) for own in rules)
