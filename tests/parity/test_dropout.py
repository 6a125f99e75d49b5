"""One correlation, or gaps drawn cell by cell: both are the notebook's stack of rolled grids."""

from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nca import Automaton, Layout, Level, RuleContext, State, Topology
from nca_plugins.glom.seed import SeedGlom

SIZE = (5, 7)
CHANCE = 0.3
ROLLS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]  # in the notebook's order


def automaton_of(
    source: Literal["below", "own", "above"], dropout: float
) -> tuple[Automaton, SeedGlom]:
    layout = Layout([Level("low", 3), Level("middle", 4), Level("high", 5)])
    torch.manual_seed(0)
    rule = SeedGlom(RuleContext(layout, "middle", 2, Topology()), source=source, dropout=dropout)
    return Automaton(layout, {"middle": [rule]}).double(), rule


def random_state(automaton: Automaton) -> State:
    generator = torch.Generator().manual_seed(1)
    return automaton.seed(2, SIZE, random_seed=3).map(
        lambda level: torch.randn(level.shape, generator=generator, dtype=level.dtype)
    )


def reference(rule: SeedGlom, seen: Tensor, masks: dict[str, Tensor]) -> Tensor:
    """Compute the change with channels last, from rolled copies, as the notebook does."""
    grid = seen.movedim(1, -1)  # (B, H, W, C)
    stack = torch.cat([torch.roll(grid, roll, dims=(1, 2)) for roll in ROLLS], dim=-1)
    drop = {name: mask.movedim(1, -1) / (1 - CHANCE) for name, mask in masks.items()}
    q = torch.tanh(rule.q(stack * drop.get("q", 1)))
    k = torch.tanh(rule.k(q * drop.get("k", 1))) + q
    v = torch.tanh(rule.v(k * drop.get("v", 1))) + q + k
    return 0.01 * v.movedim(-1, 1)


@pytest.mark.parametrize(
    ("source", "name"), [("below", "low"), ("own", "middle"), ("above", "high")]
)
@torch.no_grad()
def test_in_evaluation_the_correlation_is_the_stack_of_rolled_grids(
    source: Literal["below", "own", "above"], name: str
) -> None:
    automaton, rule = automaton_of(source, CHANCE)
    automaton.eval()
    state = random_state(automaton)

    change = automaton.step(state)["middle"] - state["middle"]

    assert_close(change, reference(rule, state[name], {}), atol=1e-10, rtol=0)


@torch.no_grad()
def test_without_dropout_training_is_evaluation() -> None:
    automaton, _ = automaton_of("own", 0.0)
    state = random_state(automaton)

    assert automaton.train().step(state) == automaton.eval().step(state)


@torch.no_grad()
def test_in_training_each_cell_loses_its_own_share_of_each_input() -> None:
    automaton, rule = automaton_of("below", CHANCE)
    automaton.train()
    state = random_state(automaton)
    masks = {
        layer: state.rng.chance(f"rule/middle/0/{layer}", 1 - CHANCE, inputs, SIZE).double()
        for layer, inputs in {"q": 27, "k": 4, "v": 4}.items()
    }

    change = automaton.step(state)["middle"] - state["middle"]

    assert_close(change, reference(rule, state["low"], masks), atol=1e-10, rtol=0)
    assert not torch.allclose(change, reference(rule, state["low"], {}), atol=1e-4)
