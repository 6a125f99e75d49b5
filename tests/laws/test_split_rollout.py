"""A rollout split in two is the same rollout, bit by bit."""

import pytest
from bench import OWN, Bench, PlaceRule, assert_moved, assert_same_bits, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import fire_rates, random_seeds

from nca import Alive, Noise, Skip


def check_a_split_rollout_is_the_same_rollout(
    place_rule: PlaceRule,
    first: int = 2,
    second: int = 3,
    fire_rate: float = 0.5,
    training: bool = True,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(
        random_seed,
        fire_rate=fire_rate,
        noise=Noise(0.02),
        alive=Alive(OWN, 0, 0.1),
        skips=[Skip(3, 0.1, at_end=True), Skip(2, 0.2, levels=(OWN,), keep_gain=False)],
    ).train(training)
    state = bench.state(random_seed, bench.roomy)
    bench.assert_awake(automaton, state)

    whole = automaton.rollout(state, first + second)
    halves = automaton.rollout(automaton.rollout(state, first), second)

    assert_moved(whole, state)
    assert_same_bits(halves, whole)
    assert_same_bits(automaton.finish(halves), automaton.finish(whole))


@pytest.mark.parametrize("name", rule_names())
@few()
@given(
    first=st.integers(0, 4),
    second=st.integers(1, 4),
    fire_rate=fire_rates(),
    training=st.booleans(),
    random_seed=random_seeds(),
)
def test_a_split_rollout_is_the_same_rollout(name, first, second, fire_rate, training, random_seed):
    check_a_split_rollout_is_the_same_rollout(
        placed(name), first, second, fire_rate, training, random_seed
    )
