"""Rollouts of another kind: until nothing moves any more, and over a film of inputs.

A level is at rest once a step changes it by less than a small share of itself. A sample has
converged once each of its levels is at rest or still empty, and has diverged once a number is
infinite or none at all; what has diverged is never at rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.engine.wide import wide
from nca.errors import ShapeError
from nca.types import Positive, Steps
from nca.validation.checked import checked_value

TOLERANCE = 1e-3
"""A level is at rest once a step changes it by less than this share of itself."""


@dataclass(frozen=True)
class Settled:
    """Where settling has led.

    Attributes:
        state: Each sample as it was when it converged or diverged, or when the bound was reached.
        steps: `(B,)`, int64: how many steps each sample took.
        converged: `(B,)`, bool: whether it came to rest.
        diverged: `(B,)`, bool: whether it left the finite numbers.
    """

    state: State
    steps: Tensor
    converged: Tensor
    diverged: Tensor


def settle(
    automaton: Automaton,
    state: State,
    *,
    tolerance: float = TOLERANCE,
    at_most: int,
    fire_rate: float | None = None,
) -> Settled:
    """Let each sample step until it converges or diverges, or `at_most` times.

    A sample that has converged or diverged is left alone while others go on, so that the outcome
    does not depend on who else is in the batch.

    Args:
        automaton: Lets the steps pass.
        state: The first state.
        tolerance: Above 0, see `at_rest`.
        at_most: The bound on the number of steps, at least 1.
        fire_rate: Use this chance instead of the automaton's own.

    Raises:
        OptionError: A tolerance or bound out of its range; what `Automaton.step` raises.
    """
    where = "settle(automaton, state, ...)"
    tolerance = checked_value(Positive, "tolerance", tolerance, where)
    at_most = checked_value(Steps, "at_most", at_most, where)
    levels = automaton.writable_levels
    steps = torch.zeros_like(state.samples)
    converged = torch.zeros_like(state.samples, dtype=torch.bool)
    diverged = has_diverged(state, levels)
    for _ in range(at_most):
        moving = ~(converged | diverged)
        if not moving.any():
            break
        after = automaton.step(state, fire_rate=fire_rate)
        resting = _at_rest_or_empty(state, after, levels, tolerance)
        steps += moving
        state = after.where(moving, state)
        diverged = has_diverged(state, levels)
        converged = converged | moving & resting & ~diverged
    return Settled(state, steps, converged, diverged)


def relative_change(before: Tensor, after: Tensor) -> Tensor:
    """Return how far cells have moved in one step, measured by how long their vectors are.

    The mean length of the change over the mean length of the vectors after it: cells that are
    empty, as those outside a living body, would make the mean of quotients infinite.

    Args:
        before: A level, `(B, C, *space)`.
        after: The same level one step later.

    Returns:
        `(B,)`, from 0; NaN where the level is still empty, and so has not begun.
    """
    before, after = before.detach(), after.detach()
    change = wide((after - before).norm(dim=1).flatten(1)).mean(dim=1)
    length = wide(after.norm(dim=1).flatten(1)).mean(dim=1)
    return change / length.where(length > 0, torch.nan)


def at_rest(change: Tensor, tolerance: float = TOLERANCE) -> Tensor:
    """Return where a level is at rest, from its `relative_change`; NaN is no rest."""
    return change < tolerance


def has_diverged(state: State, levels: Sequence[str]) -> Tensor:
    """Return which samples hold a number that is not finite on one of the levels, bool `(B,)`."""
    return ~torch.stack([state[name].isfinite().flatten(1).all(dim=1) for name in levels]).all(0)


def divergence(states: Iterable[State], levels: Sequence[str]) -> str:
    """Return a sentence on the first of some states that is not finite; none if all are.

    Args:
        states: Of the same samples, in the order of their steps.
        levels: Where to look.
    """
    before = ""
    for state in states:
        if lost := int(has_diverged(state, levels).sum()):
            return (
                f"the automaton diverges: numbers of {lost} of {state.batch} samples are not "
                f"finite at step {state.step}{before}"
            )
        before = f", while all are at step {state.step}"
    return ""


def _at_rest_or_empty(
    before: State, after: State, levels: Sequence[str], tolerance: float
) -> Tensor:
    still = []
    for name in levels:
        empty = ~(before[name].flatten(1).any(dim=1) | after[name].flatten(1).any(dim=1))
        still.append(at_rest(relative_change(before[name], after[name]), tolerance) | empty)
    return torch.stack(still).all(dim=0)


def rollout_frames(
    automaton: Automaton,
    state: State,
    frames: Iterable[Mapping[str, Tensor]],
    steps: int,
    *,
    fire_rate: float | None = None,
) -> list[State]:
    """Show frames on the input levels, and return the state after each.

    Nothing starts anew between frames: what the cells hold is carried on, so that a slowly
    changing picture needs few steps for each frame (Hinton 2021, section on video).

    Args:
        automaton: Lets the steps pass.
        state: The state before the first frame.
        frames: What the input levels hold, `(B, C, *space)` by level name, for each frame.
        steps: How many steps pass while a frame is shown.
        fire_rate: Use this chance instead of the automaton's own.

    Raises:
        ShapeError: A frame for a level that holds no input; what `Automaton.rollout` raises.
    """
    inputs = [name for name in automaton.layout if name not in automaton.writable_levels]
    states = []
    for frame in frames:
        strange = [name for name in frame if name not in inputs]
        if strange:
            raise ShapeError(
                f'a frame cannot be shown on level "{strange[0]}": it holds no input.',
                where="video(automaton, state, frames)",
                to_do=f"name the input levels: {', '.join(inputs) or 'there are none'}",
            )
        state = automaton.rollout(state.replace(frame), steps, fire_rate=fire_rate)
        states.append(state)
    return states
