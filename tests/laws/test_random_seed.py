"""The same random seed gives the same bits, and another one gives others."""

import pytest
from bench import Bench, PlaceRule, assert_moved, assert_same_bits, few, placed, rule_names
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import fire_rates, random_seeds

from nca import Noise


def check_the_random_seed_decides(
    place_rule: PlaceRule,
    seed: int = 0,
    other_seed: int = 1,
    fire_rate: float = 0.5,
    training: bool = True,
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(7, fire_rate=fire_rate, noise=Noise(0.02)).train(training)
    state = bench.state(7, bench.roomy).replace(random_seed=seed)
    bench.assert_awake(automaton, state)

    after = automaton.rollout(state, 3)

    assert_moved(after, state)
    assert_same_bits(automaton.rollout(state, 3), after)
    other = automaton.rollout(state.replace(random_seed=other_seed), 3)
    assert_moved(other, after)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(
    seed=random_seeds(),
    other_seed=random_seeds(),
    fire_rate=fire_rates(),
    training=st.booleans(),
)
def test_the_random_seed_decides(name, seed, other_seed, fire_rate, training):
    assume(seed != other_seed)
    check_the_random_seed_decides(placed(name), seed, other_seed, fire_rate, training)
