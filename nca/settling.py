"""Let time pass until nothing moves any more."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nca.automaton import Automaton
from nca.errors import ShapeError
from nca.state import State

TINY = 1e-12


@dataclass(frozen=True)
class Settled:
    """Where settling has led.

    Attributes:
        state: Each sample as it was when it stood still, or when the bound was reached.
        steps: `(B,)`, int64: how many steps each sample took.
        still: `(B,)`, bool: whether it stood still in the end.
    """

    state: State
    steps: Tensor
    still: Tensor


def settle(
    automaton: Automaton,
    state: State,
    *,
    tolerance: float,
    at_most: int,
    fire_rate: float | None = None,
) -> Settled:
    """Let each sample step until it stands still, or `at_most` times.

    A sample that stands still is left alone while others go on, so that the outcome does not
    depend on who else is in the batch.

    Args:
        automaton: Lets the steps pass.
        state: The first state.
        tolerance: A sample stands still once a step changes it by less than this share of
            itself, `|ds| < tolerance |s|` over all cells of all levels but the input.
        at_most: The bound on the number of steps, at least 1.
        fire_rate: Use this chance instead of the automaton's own.

    Raises:
        ShapeError: A tolerance or bound that is not above 0; what `Automaton.step` raises.
    """
    if at_most < 1 or not tolerance > 0:
        raise ShapeError(
            f"settling has the tolerance {tolerance} and the bound {at_most}.",
            where="settle(automaton, state, ...)",
            to_do="give a tolerance above 0, and a bound of at least one step",
        )
    steps = torch.zeros_like(state.samples)
    moving = torch.ones_like(state.samples, dtype=torch.bool)
    for _ in range(at_most):
        after = automaton.step(state, fire_rate=fire_rate)
        still = speed(state, after, automaton.written) < tolerance
        steps += moving
        state = after.where(moving, state)
        moving = moving & ~still
        if not moving.any():
            break
    return Settled(state, steps, ~moving)


def speed(before: State, after: State, levels: list[str]) -> Tensor:
    """Return how far each sample has moved as a share of itself, `|ds| / |s|`, float64 `(B,)`.

    Args:
        before: A state.
        after: The state that followed; where it is empty, a sample that moved has speed infinity.
        levels: The levels that count.
    """
    moved = [(after[name] - before[name]).double().square().flatten(1).sum(1) for name in levels]
    held = [after[name].double().square().flatten(1).sum(1) for name in levels]
    return (
        (torch.stack(moved).sum(0) / torch.stack(held).sum(0))
        .sqrt()
        .nan_to_num(nan=0.0, posinf=torch.inf)
    )
