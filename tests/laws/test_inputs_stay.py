"""The input is what it is: no step, noise or skip connection ever writes to it."""

import pytest
from bench import Bench, PlaceRule, assert_moved, few, placed, rule_names
from hypothesis import given
from strategies import random_seeds, sizes
from torch.testing import assert_close

from nca import Alive, Noise, Skip
from nca.types import Size


def check_input_levels_never_change(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(
        random_seed,
        fire_rate=0.5,
        noise=Noise(0.1),
        alive=Alive("middle", 0, -9.0),
        skips=[Skip(2, 0.1, at_end=True)],
    ).train()
    state = bench.state(random_seed, size)
    bench.assert_awake(automaton, state)
    before = state.clone()

    after = automaton.finish(automaton.rollout(state, 3))

    assert_moved(after, before)
    for name, level in bench.layout.items():
        if level.input:
            assert_close(after[name], before[name], rtol=0, atol=0)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(low=2, high=5), random_seed=random_seeds())
def test_input_levels_never_change(name, size, random_seed):
    check_input_levels_never_change(placed(name), size, random_seed)
