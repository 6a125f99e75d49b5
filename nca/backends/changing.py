"""Which cells of a level change in a step: those that fire, and that life allows to change."""

from dataclasses import replace

from torch import Tensor

from nca.engine.state import State
from nca.engine.stepper import StepSpec


def may_change(spec: StepSpec, name: str, alive: Tensor) -> Tensor:
    """Return which cells of a level may change if they fire, bool `(B, 1, *space)`.

    Args:
        spec: What a step is; it has an alive mask.
        name: The level.
        alive: Which cells live before the step.
    """
    assert spec.alive is not None
    if spec.alive.dead == "cleared" and name == spec.alive.level:
        # next to the living, a cell that comes alive keeps them alive before it is cleared
        return spec.topology.maximum(alive, spec.alive.radius)
    return alive


def changing_cells(
    state: State, name: str, fire_rate: float, allowed: Tensor | None
) -> Tensor | None:
    """Return the cells of a level that change, int64 `(k,)`, or None: all do.

    Args:
        state: The state before the step.
        name: The level.
        fire_rate: Chance that a cell fires.
        allowed: Which cells may change if they fire, bool `(B, 1, *space)`, or None: all.

    Returns:
        In order, counted on from sample to sample.
    """
    stream, size = f"fire/{name}", state.size(name)
    if allowed is None:
        if fire_rate >= 1:
            return None
        return state.rng.chance(stream, fire_rate, 1, size).flatten().nonzero().squeeze(1)
    cells = allowed.flatten().nonzero().squeeze(1)
    if fire_rate >= 1:
        return cells
    return cells[replace(state.rng, cells=cells).chance(stream, fire_rate, 1, size).flatten()]
