"""A step makes a new state and leaves the old one as it was."""

import pytest
from bench import Bench, PlaceRule, assert_moved, assert_same_bits, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_seeds, sizes

from nca import Noise, Skip
from nca.types import Size


def check_a_step_leaves_the_old_state_untouched(
    place_rule: PlaceRule, size: Size = (4, 5, 3), steps: int = 1, random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed, noise=Noise(0.1), skips=[Skip(2, 0.1)]).train()
    state = automaton.step(bench.state(random_seed, size))  # with something remembered
    bench.assert_awake(automaton, state)
    before = state.clone()

    after = automaton.rollout(state, steps)

    assert_moved(after, before)
    assert_same_bits(state, before)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(high=5), steps=st.integers(1, 3), random_seed=random_seeds())
def test_a_step_leaves_the_old_state_untouched(name, size, steps, random_seed):
    check_a_step_leaves_the_old_state_untouched(placed(name), size, steps, random_seed)
