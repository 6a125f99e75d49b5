"""A rule that says what it computes computes what it says."""

import pytest
import torch
from bench import Bench, PlaceRule, few, placed, rule_names, variants
from hypothesis import given
from strategies import random_seeds, sizes
from torch import Tensor
from torch.testing import assert_close

from nca import UpdateRule, View
from nca.engine.program import NotDeclared, Program, run_program
from nca.types import Size


class _Performed(UpdateRule):
    """What a rule says, in its place."""

    def __init__(self, program: Program, rule: UpdateRule) -> None:
        super().__init__()
        self.said, self.reads = program, rule.reads

    def forward(self, view: View) -> Tensor:
        return run_program(self.said, view)


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
