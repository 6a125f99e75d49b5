"""What has weights can learn: every one of them is told how to change."""

import pytest
from bench import OWN, Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from strategies import random_seeds, sizes

from nca.types import Size


def check_every_parameter_gets_gradient(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed, fire_rate=0.9).train()
    state = bench.state(random_seed, size)

    after = automaton.rollout(state, 2)
    (after[OWN] * bench.drawn(state, OWN, "wish")).sum().backward()

    for name, weight in automaton.named_parameters():
        assert weight.grad is not None, f"{name} takes no part"
        assert weight.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert weight.grad.any(), f"the gradient of {name} is zero everywhere"


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(low=3, high=5), random_seed=random_seeds())
def test_every_parameter_gets_gradient(name, size, random_seed):
    if not Bench(placed(name)).has_weights:
        pytest.skip("the rule has no weights")
    check_every_parameter_gets_gradient(placed(name), size, random_seed)
