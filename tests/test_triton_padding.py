"""How much of what fused programs multiply is padding: as much as is stated, and no more."""

import pytest
import torch
from fused_case import DEVICE

from nca.backends.fused import FusedStepper
from nca.backends.lowering import FusedMLP, lower
from nca.backends.triton.plan import SMALLEST, TAPS, NetPlan, folded_rows, perceived, power
from nca.checkpoint.read import read_recipe

pytest.importorskip("triton")


def products(term: FusedMLP, net: NetPlan, channels: int) -> tuple[int, int]:
    """Return the multiplications of a cell, step and gradient, for one net: needed, and taken."""
    units, read = term.reads[0].weight.shape[:2]
    inputs, rows = TAPS * read, folded_rows(read)
    field, first = TAPS * power(read, SMALLEST), net.rows
    if net.stencils:
        inputs, rows = net.stencils * read, perceived(net)
        field = first = rows
    # forward, again, backward to what is perceived and to the first layer; thrice the last layer
    needed = units * (4 * inputs + 3 * channels)
    taken = net.hidden * (2 * rows + field + first + 3 * power(channels, SMALLEST))
    return needed, taken


@pytest.mark.parametrize(
    ("recipe", "times"),
    [
        ("growing", 1.0),  # 16 channels and 96 hidden units, of which 64 and 32 are taken at once
        ("growing_lizard", 1.0),
        ("texture", 1.34),  # 12 channels become 16
        ("growing_evolved", 1.78),  # likewise, and 24 hidden units 32
        ("glom_mnist", 1.08),  # 145 rows of a first layer become 192 in its gradient
        ("glom_fashion", 1.80),  # 24 channels become 32, and 48 hidden units 64
    ],
)
def test_so_many_times_what_is_needed_is_multiplied(recipe, times):
    automaton = read_recipe(recipe).automaton().to(DEVICE)
    state = automaton.seed(1, (3, 3)).to(DEVICE)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        plan = FusedStepper(automaton.spec, state).weights.plan
    needed = taken = 0
    for name, level in zip(automaton.writable_levels, plan.levels, strict=True):
        nets = iter(level.nets)
        for rule in automaton.rules_of(name):
            for term in lower(rule.declared_program()):
                if isinstance(term, FusedMLP):
                    one, other = products(term, next(nets), level.channels)
                    needed, taken = needed + one, taken + other
    assert taken / needed == pytest.approx(times, abs=0.01)
