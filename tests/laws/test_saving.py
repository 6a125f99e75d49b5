"""All that a rule has learnt is in its weights: saved, loaded, stepped, the same bits."""

import pytest
from bench import Bench, PlaceRule, assert_moved, assert_same_bits, few, placed, rule_names
from hypothesis import given
from safetensors.torch import load, save
from strategies import random_seeds, sizes

from nca.types import Size


def check_saved_and_loaded_gives_the_same_bits(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed)
    state = bench.state(random_seed, size)
    room = bench.state(random_seed, bench.roomy)
    bench.assert_awake(automaton, room)
    after = automaton.rollout(state, 2)

    saved = save({name: tensor.contiguous() for name, tensor in automaton.state_dict().items()})
    other = bench.automaton(random_seed + 1)
    if list(other.parameters()):
        # what is not loaded makes a difference
        assert_moved(other.rollout(room, 2), automaton.rollout(room, 2))
    other.load_state_dict(load(saved))

    assert_same_bits(other.rollout(state, 2), after)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(high=5), random_seed=random_seeds())
def test_saved_and_loaded_gives_the_same_bits(name, size, random_seed):
    check_saved_and_loaded_gives_the_same_bits(placed(name), size, random_seed)
