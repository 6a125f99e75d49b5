"""The samples of a batch do not see each other, in training or out of it."""

import pytest
from bench import (
    Bench,
    PlaceRule,
    assert_states_close,
    few,
    placed,
    rule_names,
)
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_seeds, sizes

from nca.types import Size


def check_samples_do_not_see_each_other(
    place_rule: PlaceRule, size: Size = (4, 5, 3), training: bool = True, random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed).train(training)
    state = bench.state(random_seed, size)
    bench.assert_awake(automaton, bench.state(random_seed, bench.roomy))

    after = automaton.step(state)

    for sample in range(state.batch):
        alone = slice(sample, sample + 1)
        assert_states_close(automaton.step(state.select(alone)), after.select(alone))


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(high=5), training=st.booleans(), random_seed=random_seeds())
def test_samples_do_not_see_each_other(name, size, training, random_seed):
    check_samples_do_not_see_each_other(placed(name), size, training, random_seed)
