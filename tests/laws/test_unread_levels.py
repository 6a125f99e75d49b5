"""A rule is moved by the levels that it says it reads, and by no other."""

import pytest
import torch
from bench import Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from strategies import random_seeds, sizes
from torch.testing import assert_close

from nca import ShapeError
from nca.types import Size


def check_unread_levels_do_not_change_the_change(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed)
    state = bench.state(random_seed, size)
    change = bench.change(automaton, state)

    def elsewhere(names: set[str]) -> torch.Tensor:
        others = {name: bench.drawn(state, name, "elsewhere") for name in names}
        return bench.change(automaton, state.replace(others))

    assert not torch.equal(elsewhere(bench.reads), change), "what it reads does not move it"
    assert_close(elsewhere(set(state) - bench.reads), change)


def check_undeclared_levels_are_refused(place_rule: PlaceRule) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(0)
    automaton.rules["middle"][0].reads = ()
    with pytest.raises(ShapeError, match="without having said so"):
        automaton.step(bench.state(0, (3, 3, 3)))


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(low=2, high=5), random_seed=random_seeds())
def test_unread_levels_do_not_change_the_change(name, size, random_seed):
    check_unread_levels_do_not_change_the_change(placed(name), size, random_seed)


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_that_hides_what_it_reads_is_refused(name):
    check_undeclared_levels_are_refused(placed(name))
