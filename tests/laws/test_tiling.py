"""A torus is an endless pattern: to tile a state is to tile its future."""

import pytest
import torch
from bench import Bench, PlaceRule, assert_states_close, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import laps, random_seeds, sizes

from nca.types import Size


def check_tiling_a_state_tiles_its_future(
    place_rule: PlaceRule,
    size: Size = (3, 4, 2),
    laps: Size = (2, 3, 2),
    steps: int = 1,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed)
    state = bench.state(random_seed, size)
    bench.assert_awake(automaton, bench.state(random_seed, bench.roomy))

    def tile(level: torch.Tensor) -> torch.Tensor:
        return level.repeat(1, 1, *bench.size(laps))

    after = automaton.rollout(state, steps, fire_rate=1.0)

    assert_states_close(automaton.rollout(state.map(tile), steps, fire_rate=1.0), after.map(tile))


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(high=5), laps=laps(), steps=st.sampled_from([1, 3]), random_seed=random_seeds())
def test_tiling_a_state_tiles_its_future(name, size, laps, steps, random_seed):
    check_tiling_a_state_tiles_its_future(placed(name), size, laps, steps, random_seed)
