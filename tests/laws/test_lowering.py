"""The formulas found in what a rule says of itself are what it does, in training too.

The fused step goes by them alone. A rule that says nothing, or something else, keeps this law.
"""

import pytest
import torch
from bench import OWN, Bench, PlaceRule, few, placed, rule_names, variants
from hypothesis import given
from strategies import random_seeds
from torch import Tensor
from torch.testing import assert_close

from nca import TORUS, RuleContext, State
from nca.backends.lowering import FusedScale, FusedTerm, lower


def check_the_formulas_are_the_change(place_rule: PlaceRule, random_seed: int = 0) -> None:
    bench = Bench(place_rule)
    state = bench.state(random_seed, bench.roomy)
    automaton = bench.automaton(random_seed)
    bench.assert_awake(automaton, state)
    rule = automaton.rules_of(OWN)[0]
    for training in (False, True):
        automaton.train(training)
        known = lower(rule.program())
        if isinstance(known, str):
            assert known
        else:
            place = RuleContext(bench.layout, OWN, bench.axes)
            summed = torch.stack([computed(formula, place, state) for formula in known]).sum(dim=0)
            assert_close(summed, bench.change(automaton, state))


def computed(formula: FusedTerm, place: RuleContext, state: State) -> Tensor:
    """Return what a formula stands for."""
    if isinstance(formula, FusedScale):
        return formula.factor * state[OWN]
    kernel = formula.correlation
    level = state[place.level(kernel.level).name]
    shown = kernel.cell_map(level) if kernel.cell_map else level
    hidden = torch.relu(TORUS.correlate(shown, kernel.weight, kernel.bias))
    change = torch.einsum("oh,bh...->bo...", formula.weight, hidden)
    return change + formula.bias.view(-1, *(1,) * place.axes)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(random_seed=random_seeds())
def test_the_formulas_are_the_change(name, random_seed):
    check_the_formulas_are_the_change(placed(name), random_seed)


@pytest.mark.parametrize("place_rule", variants().values(), ids=variants())
def test_the_formulas_are_the_change_with_every_option(place_rule):
    check_the_formulas_are_the_change(place_rule)


def test_the_rules_that_steps_are_fused_of_have_formulas():
    told = {
        name
        for name in rule_names()
        if not isinstance(lower(Bench(placed(name)).rule().program()), str)
    }
    assert told >= {"growing", "bottom_up", "lateral", "top_down", "fade"}
