"""A plane without edges: a torus that grows before a pattern reaches its edge."""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.capacity import capacity, in_bytes
from nca.engine.reach import demand_declared_reach
from nca.engine.state import State
from nca.errors import ShapeError
from nca.types import Natural, Size
from nca.validation.checked import checked_value

CHUNK = 64
"""Steps after which it is looked again how far the pattern has come."""
SHARE = 0.25
"""Of all memory: so much a state may take."""


def rollout_on_plane(
    automaton: Automaton,
    state: State,
    steps: int,
    passed: Callable[[State, Size], object] = lambda state, origin: None,
) -> tuple[State, Size]:
    """Let steps pass on a plane on which all cells are 0 but those of a pattern.

    Whatever a pattern does, it moves no further in a step than its rules see. So the grid gets
    another margin of zeros wherever a pattern could come near the edge in the next steps; it never
    meets itself.

    Args:
        automaton: On a torus; cells that see nothing but 0 stay 0.
        state: Where the pattern is; the grid may be as small as the pattern.
        steps: How many.
        passed: Called every few steps, and at the end, with the state and its origin.

    Returns:
        The state after the steps, on a grid that may be larger; and its origin, the place of its
        first cell on the grid that was given, such as `(-128, -64)`.

    Raises:
        ShapeError: Cells that see nothing but 0 do not stay 0, or the grid exceeds the memory.
    """
    steps = checked_value(Natural, "steps", steps, "rollout_on_plane(automaton, state, steps)")
    origin: Size = (0,) * state.axes
    last = state
    for last, origin in states_on_plane(automaton, state, steps):
        passed(last, origin)
    return last, origin


def states_on_plane(
    automaton: Automaton, state: State, steps: int, every: int = CHUNK
) -> Iterator[tuple[State, Size]]:
    """Yield the states of `rollout_on_plane` with their origins, as steps pass.

    Args:
        automaton: On a torus; cells that see nothing but 0 stay 0.
        state: Where the pattern is.
        steps: How many.
        every: After how many of them a state is yielded, and at the end.

    Raises:
        ShapeError: Cells that see nothing but 0 do not stay 0, or the grid exceeds the memory.
    """
    reach = check_plane(automaton, state)
    origin: Size = (0,) * state.axes
    done = room = 0
    while done < steps:
        count = min(every - done % every, CHUNK, steps - done)
        if room < count:
            room = min(CHUNK, steps - done)
            state, by = _with_margin(state, room * reach + 1)
            origin = tuple(place - more for place, more in zip(origin, by, strict=True))
        state = automaton.rollout(state, count)
        done, room = done + count, room - count
        if done % every == 0 or done == steps:
            yield state, origin


def check_plane(automaton: Automaton, state: State) -> int:
    """Return how far rules see in a step, where a plane can be had.

    Raises:
        ShapeError: Cells that see nothing but 0 do not stay 0, the grid has edges, levels differ in
            scale, or a rule sees further than its `radius` says.
    """
    if differ := automaton.layout.scales_differ():
        raise ShapeError(
            f"a plane grows around levels of one scale, and {differ}.",
            where="rollout_on_plane(automaton, state, steps)",
            to_do="take a torus of a fixed size",
        )
    rules = [rule for name in automaton.writable_levels for rule in automaton.rules_of(name)]
    reach = max((rule.radius for rule in rules), default=0)
    demand_declared_reach(automaton.spec, state, "rollout_on_plane(automaton, state, steps)")
    _demand_quiet(automaton, state, reach)
    return reach


def _with_margin(state: State, margin: int) -> tuple[State, Size]:
    """Return a state whose pattern is a margin away from all edges, and what was added before."""
    more = [_missing(used_along(state, axis), margin) for axis in range(state.axes)]
    if not any(more):
        return state, (0,) * state.axes
    _demand_room(state, more)
    pads = [by for axis in reversed(more) for by in (axis, axis)]
    return state.map(lambda level: F.pad(level, pads)), tuple(more)


def used_along(state: State, axis: int) -> Tensor:
    """Return in which places along an axis there is anything but 0."""
    used = []
    for level in state.values():
        others = [dim for dim in range(level.ndim) if dim != axis + 2]
        used.append(level.ne(0).any(dim=others))  # pyright: ignore[reportArgumentType]
    return torch.stack(used).any(dim=0)


def _missing(used: Tensor, margin: int) -> int:
    """Return how many cells are to be added on both sides; grown by a share, it is seldom asked."""
    places = used.nonzero().flatten()
    if not len(places):
        return 0
    short = margin - min(int(places[0]), len(used) - 1 - int(places[-1]))
    return max(short, len(used) // 4) if short > 0 else 0


def _demand_room(state: State, more: list[int]) -> None:
    """Refuse a grid that takes more than a share of the memory."""
    first = next(iter(state.values()))
    cells = math.prod(side + 2 * by for side, by in zip(first.shape[2:], more, strict=True))
    numbers = sum(level.shape[0] * level.shape[1] for level in state.values())
    there, count = capacity(first.device), cells * numbers * first.element_size()
    if there and count > SHARE * there:
        raise ShapeError(
            f"the pattern has grown to a grid of {in_bytes(count)}, and there are "
            f"{in_bytes(there)} in all.",
            where=f"rollout_on_plane, step {state.step:,}",
            to_do="take fewer steps, or a torus of a fixed size, on which what leaves comes back",
        )


def _demand_quiet(automaton: Automaton, state: State, reach: int) -> None:
    """Refuse an automaton that makes something of nothing, or whose grid has edges."""
    where = "rollout_on_plane(automaton, state, steps)"
    if {*automaton.topology.of(state.axes)} != {"torus"}:
        raise ShapeError(
            "a plane is a torus that is large enough, and this grid has edges.",
            where=f"{where}; the topology is {automaton.topology.boundaries!r}",
            to_do='leave it at topology = "torus"',
        )
    empty = state.select(slice(0, 1)).map(lambda level: level.new_zeros(_around(level, reach)))
    if any(bool(level.ne(0).any()) for level in automaton.step(empty).values()):
        raise ShapeError(
            "cells that see nothing but 0 do not stay 0, so that a plane would be full at once.",
            where=where,
            to_do="take a torus of a fixed size",
        )


def _around(level: Tensor, reach: int) -> list[int]:
    return [1, level.shape[1], *[2 * reach + 1] * (level.ndim - 2)]
