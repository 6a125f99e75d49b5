"""As many cells fire as the fire rate says, and a cell fires with all of its channels."""

import pytest
from bench import OWN, Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from strategies import fire_rates, random_seeds
from torch.testing import assert_close

SIZES = {1: (400,), 2: (20, 20), 3: (8, 7, 7)}


def check_the_observed_fire_rate_matches(
    place_rule: PlaceRule, fire_rate: float = 0.25, random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed)
    state = bench.state(random_seed, SIZES[bench.axes])

    before = state[OWN].clone()
    everywhere = automaton.step(state.clone(), fire_rate=1.0)[OWN] - before
    somewhere = automaton.step(state.clone(), fire_rate=fire_rate)[OWN] - before

    movable = (everywhere != 0).any(dim=1, keepdim=True)
    fired = (somewhere != 0).any(dim=1, keepdim=True)
    cells = int(movable.sum())
    assert cells > 100, "the rule stands still nearly everywhere, so nothing was tested"
    assert_close(somewhere, everywhere * fired)  # all channels or none, and by as much
    # five standard deviations: one fair rule in two million is wronged
    spread = 5 * (cells * fire_rate * (1 - fire_rate)) ** 0.5
    assert abs(int(fired.sum()) - fire_rate * cells) <= spread, int(fired.sum()) / cells


@pytest.mark.parametrize("name", rule_names())
@few()
@given(fire_rate=fire_rates(), random_seed=random_seeds())
def test_the_observed_fire_rate_matches(name, fire_rate, random_seed):
    check_the_observed_fire_rate_matches(placed(name), fire_rate, random_seed)
