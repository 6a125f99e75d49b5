"""A torus is an endless pattern: to tile a state is to tile its future."""

from hypothesis import strategies as st
from torch import Tensor

from nca.testing.compare import demand_states_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, random_seeds
from nca.testing.strategies import laps as laps_
from nca.types import Size


def check_tiling_a_state_tiles_its_future(
    place_rule: PlaceRule,
    size: Size = (3, 4, 2),
    laps: Size = (2, 3, 2),
    steps: int = 1,
    random_seed: int = 0,
) -> None:
    """Demand that a tiled state has the tiled future."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed)
    state = harness.state(random_seed, size)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))

    def tile(level: Tensor) -> Tensor:
        return level.repeat(1, 1, *harness.size(laps))

    after = automaton.rollout(state, steps, fire_rate=1.0)

    tiled = automaton.rollout(state.map(tile), steps, fire_rate=1.0)
    demand_states_close(tiled, after.map(tile))


TILING = Law(
    "tiling",
    "to tile a state is to tile its future",
    check_tiling_a_state_tiles_its_future,
    lambda _: {
        "size": grid_sizes(high=5),
        "laps": laps_(),
        "steps": st.sampled_from([1, 3]),
        "random_seed": random_seeds(),
    },
)
