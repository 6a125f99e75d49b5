"""Sandpiles against published and recomputed numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nca import Automaton, Layout, Level, RuleContext, State, Topology
from nca.types import Boundary
from nca_plugins.sandpile import Sandpile, heap, plateau

GRAINS = Layout([Level("grains", 1)])


def pile(axes: int = 2, topology: Boundary = "zeros") -> Automaton:
    rule = Sandpile(RuleContext(GRAINS, "grains", axes))
    return Automaton(GRAINS, {"grains": [rule]}, topology=Topology(topology))


def rested(grains: Tensor) -> tuple[Tensor, int]:
    """Return grains `(*space)` once none topple, and how often cells have toppled."""
    automaton, toppled = pile(grains.ndim), 0
    state = State({"grains": grains[None, None].float()})
    while torch.any(state["grains"] >= 2 * grains.ndim):
        toppled += int((state["grains"] / (2 * grains.ndim)).floor().sum())
        state = automaton.step(state)
    return state["grains"][0, 0], toppled


def identity(side: int) -> Tensor:
    """Return the grains that leave every recurrent pile as it is (Creutz 1991)."""
    six = torch.full((side, side), 6.0)
    return rested(six - rested(six)[0])[0]


@pytest.mark.parametrize(
    ("grains", "side", "toppled", "cells"),
    [
        (256, 21, 1_220, (16, 60, 40)),
        (1_000, 33, 18_226, (112, 156, 192)),
        (4_096, 61, 312_768, (300, 560, 892)),
    ],
)
def test_grains_on_one_cell_spread_as_published(grains, side, toppled, cells):
    start = torch.zeros(side, side)
    start[side // 2, side // 2] = grains
    after, count = rested(start)
    assert count == toppled
    assert tuple(int((after == n).sum()) for n in (1, 2, 3)) == cells
    assert after.sum() == grains, "some fell over the edge: the grid is too small"


@pytest.mark.parametrize(
    ("side", "rows"),
    [
        (3, ["212", "101", "212"]),
        (4, ["2332", "3223", "3223", "2332"]),
    ],
)
def test_the_identities_of_small_open_squares_are_the_published_ones(side, rows):
    found = ["".join(str(int(n)) for n in row) for row in identity(side)]
    assert found == rows


def test_the_identity_of_five_by_five_adds_nothing_to_itself():
    one = identity(5)
    assert [int(n) for n in one[0]] == [2, 3, 2, 3, 2]
    assert one[2, 2] == 0
    assert torch.equal(rested(one + one)[0], one)


@given(axes=st.integers(1, 3), data=st.data())
def test_it_makes_no_difference_which_grains_fall_first(axes, data):
    numbers = st.lists(st.integers(0, 9), min_size=2**axes, max_size=2**axes)
    one, other = (torch.tensor(data.draw(numbers)).view((2,) * axes) for _ in range(2))
    (first, toppled), (second, sooner) = rested(one + other), rested(one)
    both, later = rested(second + other)
    assert torch.equal(first, both)
    assert toppled == sooner + later


def test_a_torus_loses_no_grain_and_channels_do_not_meet():
    layout = Layout([Level("grains", 2)])
    rule = Sandpile(RuleContext(layout, "grains", 2))
    state = State({"grains": torch.zeros(1, 2, 4, 5)})
    state["grains"][0, 0, 1, 1] = 30
    after = Automaton(layout, {"grains": [rule]}).rollout(state, 20)["grains"]
    assert after.sum(dim=(0, 2, 3)).tolist() == [30, 0]


def test_what_is_below_nothing_does_not_topple():
    state = State({"grains": torch.full((1, 1, 3, 3), -9.0)})
    assert torch.equal(pile().step(state)["grains"], state["grains"])


def test_a_plateau_of_six_comes_to_rest_in_a_figure_with_the_symmetry_of_its_square():
    after, toppled = rested(plateau(side=13)[0])
    assert toppled > 0
    assert torch.equal(after, after.T)
    assert torch.equal(after, after.flip(0))
    assert 0 <= after.min() < after.max() <= 3


def test_a_heap_stands_on_one_cell():
    assert heap(grains=7).tolist() == [[[7]]]
    assert plateau(side=2, grains=5).tolist() == [[[5, 5], [5, 5]]]
