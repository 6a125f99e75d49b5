"""Alive masks: which cells live, and what becomes of the dead, worked by hand."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from simple import Add, Scale, numbers, one_level, row
from strategies import normal, random_seeds
from torch import Tensor
from torch.testing import assert_close

from nca import Alive, Automaton, Layout, Level, State, Topology


def test_what_is_not_alive_before_and_after_is_cleared():
    # cells 1 to 3 live before; the change makes cell 4 mature, which revives nobody
    state = row(0.05, 0.0, 0.5, 0.0, 0.05, 0.0, 0.0, 0.05)
    automaton = one_level(Add(0.0), Scale(1.0), alive=Alive("body", 0, 0.09))
    assert numbers(automaton.step(state)) == [0, 0, 1, 0, 0, 0, 0, 0]


def test_what_dies_in_a_step_is_cleared():
    assert (
        numbers(one_level(Add(-0.45), alive=Alive("body", 0, 0.1)).step(row(0, 0.5, 0, 0)))
        == [0] * 4
    )


def test_the_frozen_keep_what_they_hold():
    alive = Alive("body", 0, 0.1, dead="frozen")
    after = one_level(Add(), alive=alive).step(row(-7.0, 0.0, 0.5, 0.0, 0.05))
    assert numbers(after) == [-7.0, 1.0, 1.5, 1.0, 0.05]


def test_life_reaches_across_the_edge_of_a_torus_only():
    state = row(0.5, 0.0, 0.0, 0.0)
    alive = Alive("body", 0, 0.1, dead="frozen")
    assert numbers(one_level(Add(), alive=alive).step(state)) == [1.5, 1, 0, 1]
    wall = Topology("zeros")
    assert numbers(one_level(Add(), alive=alive, topology=wall).step(state)) == [1.5, 1, 0, 0]


def test_a_radius_of_nothing_spares_the_mature_alone():
    alive = Alive("body", 0, 0.1, radius=0)
    assert numbers(one_level(Add(), alive=alive).step(row(0.05, 0.5, 0.1))) == [0, 1.5, 0]


def test_one_level_may_tell_life_for_all():
    layout = Layout([Level("image", 2, input=True), Level("body", 1)])
    image = torch.tensor([[[9.0, 9.0, 9.0], [0.0, 0.5, 0.0]]])
    state = State({"image": image, "body": torch.zeros(1, 1, 3)})
    alive = Alive("image", 1, 0.1, radius=0)
    after = Automaton(layout, {"body": [Add()]}, alive=alive).float().step(state)
    assert numbers(after) == [0, 1, 0]
    assert torch.equal(after["image"], image)


@given(seed=random_seeds(), steps=st.integers(1, 3), dead=st.sampled_from(["cleared", "frozen"]))
def test_alive_masks_follow_a_slow_reference(seed, steps, dead):
    state = State({"body": 0.2 * normal((1, 2, 4, 3), seed)})
    automaton = one_level(Scale(0.5), Add(0.05), alive=Alive("body", 0, 0.1, dead=dead), channels=2)
    grid = state["body"][0].clone()

    def lives(grid: Tensor, y: int, x: int) -> bool:
        near = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        return any(grid[0, v % 4, u % 3] > 0.1 for v, u in near)

    for _ in range(steps):
        moved = 1.5 * grid + 0.05
        new = torch.zeros_like(grid)
        for y in range(4):
            for x in range(3):
                if dead == "frozen":
                    new[:, y, x] = (moved if lives(grid, y, x) else grid)[:, y, x]
                elif lives(grid, y, x) and lives(moved, y, x):
                    new[:, y, x] = moved[:, y, x]
        grid = new

    assert_close(automaton.rollout(state, steps)["body"][0], grid)


def test_burying_leaves_the_input_in_its_grave():
    layout = Layout([Level("image", 1, input=True), Level("body", 1)])
    state = State({"image": torch.ones(1, 1, 4), "body": torch.tensor([[[0.0, 0.05, 0.0, 0.5]]])})
    buried = Automaton(layout, {}, alive=Alive("body", 0, 0.1, radius=0)).clear_dead(state)
    assert numbers(buried) == [0, 0, 0, 0.5]
    assert numbers(buried, "image") == [1] * 4
    assert Automaton(layout, {}).clear_dead(state) is state
