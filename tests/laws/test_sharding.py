"""A batch cut into shards has the future of the whole: each sample keeps its number."""

import pytest
from bench import Bench, PlaceRule, assert_moved, assert_states_close, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import fire_rates, random_seeds
from torch.testing import assert_close

from nca import Noise, Skip, State

BATCH = 4


def check_shards_have_the_future_of_the_whole(
    place_rule: PlaceRule,
    cut: int = 1,
    fire_rate: float = 0.5,
    training: bool = True,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(
        random_seed, fire_rate=fire_rate, noise=Noise(0.02), skips=[Skip(2, 0.1)]
    ).train(training)
    state = bench.state(random_seed, bench.roomy, batch=BATCH)
    bench.assert_awake(automaton, state)

    whole = automaton.rollout(state, 3)
    shards = [state.select(slice(cut)), state.select(slice(cut, None))]
    joined = State.cat([automaton.rollout(shard, 3) for shard in shards])

    assert_moved(whole, state)
    assert_states_close(joined, whole)
    assert_close(joined.samples, whole.samples)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(
    cut=st.integers(1, BATCH - 1),
    fire_rate=fire_rates(),
    training=st.booleans(),
    random_seed=random_seeds(),
)
def test_shards_have_the_future_of_the_whole(name, cut, fire_rate, training, random_seed):
    check_shards_have_the_future_of_the_whole(placed(name), cut, fire_rate, training, random_seed)
