"""A rule that declares what it computes computes what it declares.

The formulas found in a program, by which a fused step goes, are what the rule does in training too.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from nca.backends.lowering import FusedAttention, FusedScale, FusedTerm, lower
from nca.engine.program import ACTIVATIONS, AttentionTerm, Correlation, NotDeclared, Program
from nca.engine.rule import UpdateRule
from nca.engine.topology import TORUS
from nca.engine.view import View
from nca.testing.compare import OWN, demand, demand_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.naive_program import naive
from nca.testing.strategies import grid_sizes, random_seeds
from nca.types import Size


class _Performed(UpdateRule):
    """What a rule says, in its place."""

    def __init__(self, said: Callable[[View], Tensor], rule: UpdateRule) -> None:
        super().__init__()
        self.said, self.reads = said, rule.reads

    def forward(self, view: View) -> Tensor:
        """Return the change that what it says stands for."""
        return self.said(view)


def check_a_program_says_what_is_computed(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    """Demand that a program, performed plainly, is the change; a rule without one passes."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed)
    (rule,) = automaton.rules_of(OWN)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))
    program = rule.program()
    if isinstance(program, NotDeclared):
        demand(program.why, "it is not said why there is no program")
        return
    state = harness.state(random_seed, size)
    change = harness.change(automaton, state)
    automaton.rules[OWN] = torch.nn.ModuleList([_Performed(partial(naive, program), rule)])
    demand_close(change, harness.change(automaton, state), "the change, beside its program,")


def check_the_formulas_are_the_change(place_rule: PlaceRule, random_seed: int = 0) -> None:
    """Demand that the formulas of a fused step are the change; a rule without them passes."""
    harness = Harness(place_rule)
    state = harness.state(random_seed, harness.roomy)
    automaton = harness.automaton(random_seed)
    harness.demand_awake(automaton, state)
    rule = automaton.rules_of(OWN)[0]
    for training in (False, True):
        automaton.train(training)
        known = lower(rule.program())
        if isinstance(known, str):
            demand(known, "it is not said why there are no formulas")
            continue
        performed = harness.automaton(random_seed)
        performed.rules[OWN] = torch.nn.ModuleList([_Performed(partial(_summed, known), rule)])
        change = harness.change(automaton, state)
        demand_close(change, harness.change(performed, state), "the change, beside its formulas,")


def _summed(formulas: Sequence[FusedTerm], view: View) -> Tensor:
    return torch.stack([_computed(one, view) for one in formulas]).sum(dim=0)


def _computed(formula: FusedTerm, view: View) -> Tensor:
    """Return what a formula stands for."""
    if isinstance(formula, FusedScale):
        return formula.factor * view.own
    if isinstance(formula, FusedAttention):
        return naive(Program((AttentionTerm(formula.rate, formula.weights),)), view)
    sums = [_correlated(one.correlation, view) for one in formula.reads]
    now = torch.stack(sums).sum(dim=0)
    shape = (-1, *(1,) * (now.ndim - 2))
    now = now + formula.bias.view(shape)
    for layer in formula.layers:
        function = ACTIVATIONS.get(layer.activation)
        now = torch.einsum("oi,bi...->bo...", layer.weight, function(now) if function else now)
        now = now + layer.bias.view(shape)
    return now


def _correlated(kernel: Correlation, view: View) -> Tensor:
    level = view.level(kernel.level)
    shown = kernel.cell_map(level) if kernel.cell_map else level
    return TORUS.correlate(shown, kernel.weight)


def _no_program(harness: Harness) -> str:
    program = harness.rule().program()
    return f"the rule {program.why}" if isinstance(program, NotDeclared) else ""


def _no_formulas(harness: Harness) -> str:
    known = lower(harness.rule().program())
    return known if isinstance(known, str) else ""


PROGRAM = Law(
    "program",
    "a rule computes what its program says",
    check_a_program_says_what_is_computed,
    lambda _: {"size": grid_sizes(low=2, high=5), "random_seed": random_seeds()},
    _no_program,
)
FORMULAS = Law(
    "fused",
    "the formulas of a fused step are the change",
    check_the_formulas_are_the_change,
    lambda _: {"random_seed": random_seeds()},
    _no_formulas,
)
