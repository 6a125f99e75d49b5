"""A state that is split among processes has the future, and the gradients, of the whole."""

import math

import pytest
import torch
from processes import together
from sharding_case import (
    LAYOUT,
    PYRAMID,
    automaton,
    first,
    future,
    future_by_blocks,
    own_block,
    padded,
    split_future,
)
from torch.testing import assert_close

from nca import ShapeError, Topology
from nca.distributed.sharding import GridSharding
from nca.engine.window import Window

EXACT = {"rtol": 0, "atol": 1e-10}

# kind, blocks, grid, then: radius, boundaries, what becomes of the dead, steps between checkpoints
CASES = {
    "one process": ("cells", (1, 1), (5, 4), (1, "torus", "cleared", None)),
    "two rows": ("cells", (2, 1), (7, 5), (1, "torus", "cleared", None)),
    "two columns": ("cells", (1, 2), (4, 5), (2, "torus", "frozen", 2)),
    "three columns": ("cells", (1, 3), (4, 8), (2, "torus", None, None)),
    "four rows, a step looks over three": ("cells", (4, 1), (6, 3), (3, "torus", "cleared", None)),
    "two by two": ("cells", (2, 2), (5, 7), (2, "torus", "cleared", 1)),
    "two by two, closed": ("cells", (2, 2), (5, 6), (2, ("zeros", "reflect"), "cleared", None)),
    "three rows, repeated": ("cells", (3, 1), (5, 4), (2, "replicate", None, None)),
    "pyramid, two columns": ("cells", (1, 2), (4, 12), (1, "torus", None, 2, PYRAMID)),
    "pyramid, three rows": ("cells", (3, 1), (12, 4), (1, "reflect", "frozen", None, PYRAMID)),
    "two with unequal samples": ("samples", (), (4, 5), (1, "torus", "cleared", 2)),
    "three with a sample each": ("samples", (), (4, 5), (2, "zeros", None, None)),
    "four with too few samples": ("samples", (), (3, 3), (1, "torus", None, None)),
}
COUNTS = {"samples": {"two": 2, "thr": 3, "fou": 4}}


@pytest.mark.parametrize("case", CASES)
def test_parts_have_the_future_and_the_gradients_of_the_whole(case):
    kind, shape, size, options = CASES[case]
    count = shape[0] * shape[1] if kind == "cells" else COUNTS[kind][case[:3]]
    made = automaton(*options)
    state = first(size, layout=made.layout)
    levels, gradients = future(made, state)
    assert not torch.equal(levels["body"], state["body"])
    assert all(gradient.any() for gradient in gradients)
    told = together(count, split_future, kind, shape, size, options)
    assert len(told) == count
    for split_levels, split_gradients in told:
        assert_close(split_levels, levels, **EXACT)
        assert_close(split_gradients, gradients, **EXACT)


# blocks, grid, then: as above
BLOCKS = {
    "two rows": ((2, 1), (15, 5), (1, "torus", "cleared", None)),
    "two columns, recomputed": ((1, 2), (6, 13), (2, "torus", "frozen", 2)),
    "three columns": ((1, 3), (4, 20), (2, "torus", None, None)),
    "two by two, recomputed": ((2, 2), (17, 18), (2, "torus", "cleared", 1)),
    "two by two, closed": ((2, 2), (16, 19), (2, ("zeros", "reflect"), "cleared", None)),
    "three rows, repeated": ((3, 1), (26, 5), (2, "replicate", "cleared", None)),
    "pyramid, two by two": ((2, 2), (48, 52), (1, "torus", "frozen", 2, PYRAMID)),
    "pyramid, three rows": ((3, 1), (84, 4), (1, "reflect", "cleared", None, PYRAMID)),
    "a line": ((3,), (31,), (2, "torus", "cleared", None, LAYOUT, 1)),
    "space": ((2, 1, 2), (13, 3, 12), (1, ("zeros", "torus", "torus"), "cleared", 2, LAYOUT, 3)),
}


@pytest.mark.parametrize("overlaps", [False, True])
@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_that_exchange_once_a_step_have_the_future_of_the_whole(case, overlaps):
    shape, size, options = BLOCKS[case]
    made = automaton(*options)
    levels, gradients = future(made, first(size, layout=made.layout))
    assert all(gradient.any() for gradient in gradients)
    for (split_levels, split_gradients), steps in together(
        math.prod(shape), future_by_blocks, shape, size, options, overlaps
    ):
        assert steps >= 6
        assert_close(split_levels, levels, **EXACT)
        assert_close(split_gradients, gradients, **EXACT)


def test_a_block_can_be_made_and_stepped_where_the_whole_has_no_room():
    size, options = (5, 7), (2, "torus", "cleared", None)
    with torch.no_grad():
        whole = automaton(*options).rollout(first(size), 3)
    for (y, x), (height, width), levels in together(4, own_block, (2, 2), size, options):
        for name, level in levels.items():
            assert_close(level, whole[name][:, :, y : y + height, x : x + width], **EXACT)


@pytest.mark.parametrize("radii", [(1, 1), (0, 3), (6, 9)])
@pytest.mark.parametrize("boundary", ["torus", "zeros", "reflect", "replicate"])
def test_a_block_is_surrounded_by_what_surrounds_it_in_the_whole(boundary, radii):
    size = (5, 4)
    numbers = torch.arange(1.0, 21.0).view(1, 1, *size)
    topology = Topology(boundary)
    whole, truths = topology.pad(numbers, radii), topology.pad(numbers % 2 > 0, radii)
    moved = topology.shift(numbers, (-2, 3))
    for (y, x), (height, width), own, own_truths, own_moved in together(
        4, padded, boundary, (2, 2), size, radii
    ):
        around = slice(y, y + height + 2 * radii[0]), slice(x, x + width + 2 * radii[1])
        assert_close(own, whole[:, :, *around], rtol=0, atol=0)
        assert_close(own_truths, truths[:, :, *around])
        assert_close(own_moved, moved[:, :, y : y + height, x : x + width])


@pytest.mark.parametrize("shape", [(6, 1), (2,), (1, 1, 1)])
def test_blocks_without_cells_are_refused(shape):
    with pytest.raises(ShapeError, match="a grid of 5 x 4 cells cannot be split into"):
        GridSharding(0, shape, (5, 4))


def test_blocks_are_cut_between_cells_of_the_coarsest_level():
    state = first((8, 8), layout=PYRAMID)
    part = GridSharding(1, (2, 1), (8, 8), coarsest=4).scatter(state)
    assert {name: part.size(name) for name in part} == {
        "ground": (4, 8),
        "body": (2, 4),
        "top": (1, 2),
    }
    with pytest.raises(ShapeError, match="a grid of 8 x 8 cells cannot be split into 4 x 1 blocks"):
        GridSharding(0, (4, 1), (8, 8), coarsest=4)
    with pytest.raises(ShapeError, match='level "body" has scale 2, and blocks would cut'):
        GridSharding(0, (2, 1), (8, 8)).scatter(state)


def test_a_state_of_another_size_is_refused():
    with pytest.raises(ShapeError, match='level "ground" has 5 x 5 cells, not 5 x 4'):
        GridSharding(0, (2, 1), (5, 4)).scatter(first((5, 5)))


def test_a_window_counts_its_cells_as_the_whole_does_and_wraps():
    numbers = Window((-1, 3), (3, 5)).numbers((2, 4), torch.empty(0))
    assert numbers.tolist() == [[13, 14, 10, 11], [3, 4, 0, 1]]
