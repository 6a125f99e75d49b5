"""Levels of different resolution: a torus has no centre, nor an edge, for its coarsest cells.

And a part of a grid, with a margin as wide as its steps reach, has the future of the whole: each
level counts its cells, and its chances, in its own grid.
"""

from collections.abc import Callable

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.conditions import Noise
from nca.engine.reach import reach
from nca.engine.resample import Coarsen, Refine, Resampling
from nca.engine.state import State
from nca.engine.window import Window
from nca.errors import NCAError
from nca.testing.compare import demand_close, demand_moved, demand_states_close
from nca.testing.harness import FLAT, Harness, PlaceRule, Scales
from nca.testing.law import Law
from nca.testing.strategies import cells, fire_rates, grid_sizes, offsets, random_seeds
from nca.testing.strategies import laps as laps_
from nca.types import Size

_SCALES: tuple[Scales, ...] = ((1, 2, 4), (1, 2, 2), (1, 1, 2), (2, 1, 2), (2, 2, 1), FLAT)


def check_moves_of_the_coarsest_cells_commute_with_stepping(
    place_rule: PlaceRule,
    scales: Scales = (1, 2, 4),
    coarsen: Coarsen = "mean",
    refine: Refine = "bilinear",
    size: Size = (2, 2, 1),
    offset: Size = (-1, 1, 0),
    laps: Size = (2, 1, 1),
    random_seed: int = 0,
) -> None:
    """Demand that a state which is moved, or tiled, has the moved and tiled future."""
    harness = _pyramid(place_rule, scales, coarsen, refine)
    automaton = harness.automaton(random_seed)
    state = harness.state(random_seed, size)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))

    def move(level: Tensor, scale: int) -> Tensor:
        by = [harness.layout.coarsest // scale * cells for cells in harness.size(offset)]
        return level.roll(by, tuple(range(2, level.ndim)))

    def tile(level: Tensor, scale: int) -> Tensor:
        return level.repeat(1, 1, *harness.size(laps))

    after = automaton.rollout(state, 2, fire_rate=1.0)

    for change in (move, tile):
        changed = automaton.rollout(_each(harness, state, change), 2, fire_rate=1.0)
        demand_states_close(changed, _each(harness, after, change))


def check_a_part_has_the_future_of_the_whole(
    place_rule: PlaceRule,
    scales: Scales = (1, 2, 4),
    coarsen: Coarsen = "mean",
    refine: Refine = "bilinear",
    size: Size = (3, 2, 2),
    cell: Size = (0, -1, 0),
    steps: int = 1,
    fire_rate: float = 0.5,
    random_seed: int = 0,
) -> None:
    """Demand that one coarsest cell with a margin, cut out of the grid, changes as within it."""
    harness = _pyramid(place_rule, scales, coarsen, refine)
    automaton = harness.automaton(random_seed, fire_rate=fire_rate, noise=Noise(0.02))
    whole = harness.state(random_seed, size)
    roomy = harness.state(random_seed, harness.roomy)
    harness.demand_awake(automaton, roomy)
    demand_moved(automaton.rollout(roomy, steps), roomy)

    after = automaton.rollout(whole, steps)

    side, margin = harness.layout.coarsest, steps * reach(automaton.spec)
    place = tuple(c * side % n for c, n in zip(harness.size(cell), whole.grid_size, strict=True))
    start = tuple(first - margin for first in place)
    part = _cut_out(automaton, whole, start, (side + 2 * margin,) * harness.axes)
    alone = automaton.rollout(part, steps)
    wanted = _cut_out(automaton, after, place, (side,) * harness.axes)
    for name, level in harness.layout.items():
        skip, count = margin // level.scale, side // level.scale
        inner = (slice(skip, skip + count),) * harness.axes
        what = f'cut out with a margin of {margin} cells level "{name}"'
        demand_close(alone[name][:, :, *inner], wanted[name], what)


def _pyramid(place_rule: PlaceRule, scales: Scales, coarsen: Coarsen, refine: Refine) -> Harness:
    return Harness(place_rule, scales, Resampling(scales[1], coarsen, refine))


def _each(harness: Harness, state: State, change: Callable[[Tensor, int], Tensor]) -> State:
    """Return a state with all levels changed, each as befits its scale."""
    levels = {name: change(state[name], one.scale) for name, one in harness.layout.items()}
    return state.replace(levels)


def _cut_out(automaton: Automaton, state: State, start: Size, size: Size) -> State:
    """Return a block of a state that knows where it lies; beyond the edge the torus goes on."""
    window, levels = Window(start, state.grid_size), {}
    for name, level in automaton.layout.items():
        part, tensor = window.at_scale(level.scale), state[name]
        sides = tuple(side // level.scale for side in size)
        for axis, places in enumerate(part.places(sides, tensor), start=2):
            tensor = torch.index_select(tensor, axis, places)
        levels[name] = tensor
    return state.replace(levels, window=window)


def _drawn(harness: Harness) -> dict[str, SearchStrategy]:
    ways: SearchStrategy[Coarsen] = st.sampled_from(["mean", "max", "stack"])
    refinements: SearchStrategy[Refine] = st.sampled_from(["bilinear", "nearest"])
    found = [scales for scales in _SCALES if _fits(harness.place_rule, scales)]
    return {"scales": st.sampled_from(found), "coarsen": ways, "refine": refinements}


def _fits(place_rule: PlaceRule, scales: Scales) -> bool:
    """Say whether a rule takes what it reads side by side, which is many channels."""
    try:
        _pyramid(place_rule, scales, "stack", "nearest")
    except NCAError:
        return False
    return True


PYRAMID = Law(
    "pyramid",
    "levels of any scale: moved by the coarsest cells, or tiled, they have the same future",
    check_moves_of_the_coarsest_cells_commute_with_stepping,
    lambda harness: {
        **_drawn(harness),
        "size": grid_sizes(high=2),
        "offset": offsets(),
        "laps": laps_(),
        "random_seed": random_seeds(),
    },
    share=8,
)
PART = Law(
    "part",
    "a part of a grid, with a margin, has the future of the whole",
    check_a_part_has_the_future_of_the_whole,
    lambda harness: {
        **_drawn(harness),
        "size": grid_sizes(high=3),
        "cell": cells(),
        "steps": st.integers(1, 2),
        "fire_rate": fire_rates(),
        "random_seed": random_seeds(),
    },
    share=8,
)
