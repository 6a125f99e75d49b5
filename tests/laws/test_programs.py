"""A rule that declares what it computes computes what it declares, and declares it once."""

import pytest
import torch
from bench import Bench, PlaceRule, few, placed, rule_names, variants
from hypothesis import given
from naive_program import naive
from strategies import random_seeds, sizes
from torch import Tensor
from torch.testing import assert_close

from nca import DecayTerm, PluginError, UpdateRule, View, register
from nca.engine.program import NotDeclared, Program
from nca.types import Size


class _Performed(UpdateRule):
    """What a rule says, in its place."""

    def __init__(self, program: Program, rule: UpdateRule) -> None:
        super().__init__()
        self.said, self.reads = program, rule.reads

    def forward(self, view: View) -> Tensor:
        return naive(self.said, view)


def check_a_program_says_what_is_computed(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed)
    (rule,) = automaton.rules_of("middle")
    bench.assert_awake(automaton, bench.state(random_seed, bench.roomy))
    program = rule.program()
    if isinstance(program, NotDeclared):
        assert program.why
        return
    state = bench.state(random_seed, size)
    change = bench.change(automaton, state)
    automaton.rules["middle"] = torch.nn.ModuleList([_Performed(program, rule)])
    assert_close(bench.change(automaton, state), change)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(size=sizes(low=2, high=5), random_seed=random_seeds())
def test_a_program_says_what_is_computed(name, size, random_seed):
    check_a_program_says_what_is_computed(placed(name), size, random_seed)


@pytest.mark.parametrize("variant", variants())
def test_a_program_says_what_is_computed_with_other_options(variant):
    check_a_program_says_what_is_computed(variants()[variant])


def test_the_rules_that_pages_are_made_of_have_programs():
    told = {
        name for name in rule_names() if isinstance(Bench(placed(name)).rule().program(), Program)
    }
    assert told >= {
        "growing",
        "self_classifying",
        "bottom_up",
        "lateral",
        "top_down",
        "fade",
        "consensus_step",
        "weighted_mean",
    }


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_is_declared_once(name):
    kind = type(Bench(placed(name)).rule())
    by_program = kind.program is not UpdateRule.program
    assert by_program != (kind.forward is not UpdateRule.forward)


def test_a_rule_that_is_declared_twice_or_never_is_refused():
    class Twice(UpdateRule):
        def program(self) -> Program:
            return Program((DecayTerm(0.1),))

        def forward(self, view: View) -> Tensor:
            return -0.1 * view.own

    class Never(UpdateRule):
        pass

    with pytest.raises(PluginError, match="defines program\\(\\) and forward\\(view\\)"):
        register.rule("twice")(Twice)
    with pytest.raises(PluginError, match="neither program\\(\\) nor forward\\(view\\)"):
        register.rule("never")(Never)
