"""Where no cell fires nothing changes, whatever the rule and the noise propose."""

import pytest
from bench import Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from strategies import random_seeds, sizes
from torch.testing import assert_close

from nca import Noise
from nca.types import Size


def check_fire_rate_zero_changes_nothing(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed, noise=Noise(0.5)).train()
    state = bench.state(random_seed, size)

    still = automaton.rollout(state.clone(), 2, fire_rate=0.0)

    bench.assert_awake(automaton, state)
    assert_close(dict(still.levels), dict(state.levels), rtol=0, atol=0)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(high=5), random_seed=random_seeds())
def test_fire_rate_zero_changes_nothing(name, size, random_seed):
    check_fire_rate_zero_changes_nothing(placed(name), size, random_seed)
