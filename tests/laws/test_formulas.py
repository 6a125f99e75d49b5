"""What a rule says of itself as a formula is what it does.

Fast paths go by the formula alone. A rule that has none keeps this law by saying nothing.
"""

import pytest
import torch
from bench import OWN, Bench, PlaceRule, few, placed, rule_names, variants
from hypothesis import given
from strategies import random_seeds
from torch import Tensor
from torch.testing import assert_close

from nca import TORUS, OneHidden, Place, Proportional, State


def check_the_formula_is_the_change(place_rule: PlaceRule, random_seed: int = 0) -> None:
    bench = Bench(place_rule)
    state = bench.state(random_seed, bench.roomy)
    automaton = bench.automaton(random_seed)
    bench.assert_awake(automaton, state)
    rule = automaton.rules_of(OWN)[0]
    for training in (False, True):
        automaton.train(training)
        formula = rule.formula()
        if formula is not None:
            place = Place(bench.layout, OWN, bench.axes)
            assert_close(computed(formula, place, state), bench.change(automaton, state))


def computed(formula: OneHidden | Proportional, place: Place, state: State) -> Tensor:
    """Return what a formula stands for."""
    if isinstance(formula, Proportional):
        return formula.factor * state[OWN]
    kernel = formula.kernel
    level = state[place.level(kernel.level).name]
    shown = kernel.through(level) if kernel.through else level
    hidden = torch.relu(TORUS.correlate(shown, kernel.weight, kernel.bias))
    change = torch.einsum("oh,bh...->bo...", formula.weight, hidden)
    return change + formula.bias.view(-1, *(1,) * place.axes)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(random_seed=random_seeds())
def test_the_formula_is_the_change(name, random_seed):
    check_the_formula_is_the_change(placed(name), random_seed)


@pytest.mark.parametrize("place_rule", variants().values(), ids=variants())
def test_the_formula_is_the_change_with_every_option(place_rule):
    check_the_formula_is_the_change(place_rule)
