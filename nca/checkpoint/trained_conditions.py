"""The conditions under which an automaton was trained: how its input changed, and for how long.

Exported pages and `nca play` keep to them. Where `[pool] swapped` lays another input under running
states, they do the same; where training never changed an input, a changed one begins anew. And an
automaton that was measured to fall apart pauses at the last step that was measured.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from nca.checkpoint.trained import Trained
from nca.recipe.recipe import Recipe

InputChange: TypeAlias = Literal["carry on", "begin anew"]

GROWTH = 2.0
"""An automaton whose error grows by more than this factor does not hold."""
LOSS = 0.01
"""A share that falls by no more than this holds, however small its error was."""


@dataclass(frozen=True)
class PausePoint:
    """Where an automaton that does not hold pauses.

    Attributes:
        trained: The most steps of a rollout in training.
        measured: The last evaluated step, at which it pauses.
        why: A sentence.
    """

    trained: int
    measured: int
    why: str


def input_change(recipe: Recipe) -> InputChange:
    """Return what the cells do when their input changes, which is what they did in training.

    `carry on`: states go on, and cells that are dead under the new input are cleared, as
    `swap_inputs` of the pool does. `begin anew`: they start again from their first state,
    at step 0.
    """
    pool = recipe.tables.pool
    return "carry on" if pool and pool.swapped else "begin anew"


def pause(trained: Trained) -> PausePoint | None:
    """Return where it pauses, and why; None: the automaton holds, or nothing was trained.

    The rule: by the task's headline on undisturbed test samples, an automaton does not hold if
    its error at the last evaluated step is more than twice that at the first. The error is the
    headline where less is better, else what it lacks of 1; and a share must have fallen by more
    than 0.01. Where fewer than two steps were evaluated, it holds if its recipe keeps states in a
    pool, so that they go on for longer than one rollout.
    """
    tables = trained.recipe.tables
    if tables.train is None:
        return None
    steps = tables.rollout.steps[1]
    measured = _measured(trained)
    if len(measured) < 2:
        why = "No state was trained or measured for longer than one rollout."
        return None if tables.pool else PausePoint(steps, steps, why)
    first, last = min(measured), max(measured)
    if _holds(measured[first], measured[last], trained.task.better):
        return None
    unit = "{:.1%}" if trained.task.better == "more" else "{:.2g}"
    before, after = (unit.format(measured[at]).replace("%", " %") for at in (first, last))
    why = f"It does not hold: {trained.task.headline} {before} at step {first}, {after} at {last}."
    return PausePoint(steps, last, why)


def _holds(first: float, last: float, better: Literal["more", "less"]) -> bool:
    """Return whether a headline is still good; one that is not a number is not."""
    if better == "less":
        return last <= GROWTH * first
    return first - last <= LOSS or 1 - last <= GROWTH * (1 - first)


def _measured(trained: Trained) -> dict[int, float]:
    """Return the headline by step; what the checkpoint says in another form counts as nothing."""
    rows = trained.checkpoint.metrics.get("test")
    found = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and not row.get("after"):
            step, value = row.get("steps"), row.get(trained.task.headline)
            if type(step) is int and step > 0 and type(value) in (int, float):
                found[step] = value
    return found
