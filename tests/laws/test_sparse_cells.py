"""A list of the cells that can change has the future, and the gradients, of the whole grid.

The other laws are checked on whole grids; through this one they hold for listed cells as well.
"""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from bench import OWN, Bench, PlaceRule, assert_states_close, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_seeds, sizes, topologies
from torch import Tensor
from torch.testing import assert_close

from nca import TORUS, Alive, Automaton, Noise, State, Topology, UpdateRule
from nca.backends.sparse_inputs import SparseInputs
from nca.types import Size

STEPS = 2

# from nobody lives to all do
ABOVE = (9.0, 1.5, 0.5, -0.5, -9.0)


def check_listed_cells_have_the_future_of_the_grid(
    place_rule: PlaceRule,
    size: Size = (4, 5, 3),
    topology: Topology = TORUS,
    alive: Alive = Alive(OWN, 0, 0.5),  # noqa: B008
    fire_rate: float = 0.5,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    state = bench.state(random_seed, size)
    bench.assert_awake(bench.automaton(random_seed), bench.state(random_seed, bench.roomy))

    def future(sparse: bool) -> tuple[State, list[Tensor]]:
        automaton = bench.automaton(
            random_seed,
            topology=topology,
            alive=alive,
            fire_rate=fire_rate,
            noise=Noise(0.1),
            sparse=sparse,
            tiled=False,
        ).train()
        first = automaton.clear_dead(state) if alive.dead == "cleared" else state
        promised = all(rule.cellwise for rule in automaton.rules_of(OWN))
        views = seen_by(automaton.rules_of(OWN), lambda: automaton.step(first))
        assert all(listed == (sparse and promised) for listed in views)
        return end_and_gradients(automaton, first)

    (whole, wanted), (listed, gradients) = future(False), future(True)
    assert_states_close(listed, whole)
    assert_close(gradients, wanted)


def seen_by(rules: list[UpdateRule], act: Callable[[], object]) -> list[bool]:
    """Return whether each rule was shown listed cells while something was done."""
    views: list[bool] = []
    hooks = [
        rule.register_forward_pre_hook(
            lambda _, views_given: views.append(isinstance(views_given[0]._inputs, SparseInputs))
        )
        for rule in rules
    ]
    act()
    for hook in hooks:
        hook.remove()
    assert len(views) == len(rules)
    return views


def end_and_gradients(automaton: Automaton, state: State) -> tuple[State, list[Tensor]]:
    """Return the state after some steps, and how it depends on weights and the first state."""
    first = state.map(lambda level: level.detach().clone().requires_grad_())
    end = automaton.rollout(first, STEPS)
    total = torch.stack([end[name].square().sum() for name in automaton.writable_levels]).sum()
    sources = [*automaton.parameters(), *first.values()]
    return end.detach(), list(torch.autograd.grad(total, sources, materialize_grads=True))


@st.composite
def masks(draw: st.DrawFn) -> Alive:
    """Alive masks of the rule's own level, of an input, and of a level that stands still."""
    dead: Literal["cleared", "frozen"] = draw(st.sampled_from(["cleared", "frozen"]))
    level = draw(st.sampled_from([OWN, "under", "over"]))
    return Alive(level, 0, draw(st.sampled_from(ABOVE)), draw(st.integers(0, 2)), dead)


@pytest.mark.parametrize("name", rule_names())
@given(
    size=sizes(high=5),
    boundaries=st.data(),
    alive=masks(),
    fire_rate=st.sampled_from([0.5, 1.0]),
    random_seed=random_seeds(),
)
def test_listed_cells_have_the_future_of_the_grid(
    name, size, boundaries, alive, fire_rate, random_seed
):
    topology = boundaries.draw(topologies(Bench(placed(name)).axes))
    check_listed_cells_have_the_future_of_the_grid(
        placed(name), size, topology, alive, fire_rate, random_seed
    )
