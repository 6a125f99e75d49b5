"""A rule that declares what it computes computes what it declares.

The formulas found in a program, by which a fused step goes, are what the rule does in training too.
"""

import torch
from torch import Tensor

from nca.backends.lowering import FusedScale, FusedTerm, lower
from nca.engine.context import RuleContext
from nca.engine.program import ACTIVATIONS, Correlation, NotDeclared, Program
from nca.engine.rule import UpdateRule
from nca.engine.state import State
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

    def __init__(self, program: Program, rule: UpdateRule) -> None:
        super().__init__()
        self.said, self.reads = program, rule.reads

    def forward(self, view: View) -> Tensor:
        """Return the change that the program stands for."""
        return naive(self.said, view)


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
    automaton.rules[OWN] = torch.nn.ModuleList([_Performed(program, rule)])
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
        context = RuleContext(harness.layout, OWN, harness.axes)
        summed = torch.stack([_computed(one, context, state) for one in known]).sum(dim=0)
        demand_close(harness.change(automaton, state), summed, "the change, beside its formulas,")


def _computed(formula: FusedTerm, context: RuleContext, state: State) -> Tensor:
    """Return what a formula stands for."""
    if isinstance(formula, FusedScale):
        return formula.factor * state[OWN]
    sums = [_correlated(one.correlation, context, state) for one in formula.reads]
    shape = (-1, *(1,) * context.axes)
    now = torch.stack(sums).sum(dim=0) + formula.bias.view(shape)
    for layer in formula.layers:
        function = ACTIVATIONS.get(layer.activation)
        now = torch.einsum("oi,bi...->bo...", layer.weight, function(now) if function else now)
        now = now + layer.bias.view(shape)
    return now


def _correlated(kernel: Correlation, context: RuleContext, state: State) -> Tensor:
    level = state[context.level(kernel.level).name]
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
