"""What lies beyond the edge, by hand and for any grid."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import axes, boundaries, normal, offsets, radii, random_seeds, sizes, tensors
from torch.testing import assert_close

from nca import TORUS, ShapeError, Topology
from nca.engine.topology import stencils_valid

ROW = torch.tensor([[[1.0, 2.0, 3.0]]])  # (B, C, W)


def beyond(boundary: str, place: int, side: int) -> int | None:
    """Return the cell that stands at any place of an axis, worked out one step at a time."""
    if 0 <= place < side:
        return place
    if boundary == "zeros":
        return None
    if boundary == "replicate":
        return 0 if place < 0 else side - 1
    if boundary == "torus":
        return beyond(boundary, place + side if place < 0 else place - side, side)
    if side == 1:
        return 0
    return beyond(boundary, -place if place < 0 else 2 * (side - 1) - place, side)


@pytest.mark.parametrize(
    ("boundary", "padded"),
    [
        ("torus", [2, 3, 1, 2, 3, 1, 2]),
        ("zeros", [0, 0, 1, 2, 3, 0, 0]),
        ("reflect", [3, 2, 1, 2, 3, 2, 1]),
        ("replicate", [1, 1, 1, 2, 3, 3, 3]),
    ],
)
def test_two_cells_beyond_a_row_of_three(boundary, padded):
    assert Topology(boundary).pad(ROW, 2).flatten().tolist() == padded


@pytest.mark.parametrize(
    ("boundary", "padded"),
    [
        ("torus", [2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2]),
        ("reflect", [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]),
        ("replicate", [1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_a_radius_may_exceed_the_side(boundary, padded):

    assert Topology(boundary).pad(ROW, 5).flatten().tolist() == padded


def test_each_axis_may_have_its_own_boundary():
    square = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    padded = Topology(("torus", "zeros")).pad(square, 1)
    assert padded[0, 0].tolist() == [[0, 3, 4, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 1, 2, 0]]


@given(tensor=tensors(axes=2), boundary=st.tuples(boundaries(), boundaries()), radius=radii(9))
def test_padding_holds_what_stands_beyond(tensor, boundary, radius):
    padded = Topology(boundary).pad(tensor, radius)
    height, width = tensor.shape[2:]
    for y, x in itertools.product(range(-radius, height + radius), range(-radius, width + radius)):
        there = beyond(boundary[0], y, height), beyond(boundary[1], x, width)
        wanted = torch.zeros(()) if None in there else tensor[..., there[0], there[1]]
        assert (padded[..., y + radius, x + radius] == wanted).all()


@given(tensor=tensors(axes=2), boundary=st.tuples(boundaries(), boundaries()), by=offsets(2))
def test_a_shift_moves_in_what_stands_beyond(tensor, boundary, by):
    shifted = Topology(boundary).shift(tensor, by)
    reach = max(map(abs, by))
    padded = Topology(boundary).pad(tensor, reach)
    for axis in range(2):
        padded = padded.narrow(axis + 2, reach - by[axis], tensor.shape[axis + 2])
    assert_close(shifted, padded, rtol=0, atol=0)


@given(tensor=tensors(axes=3, high=4), by=offsets(3))
def test_a_shift_on_a_torus_loses_nothing(tensor, by):
    there = TORUS.shift(tensor, by)
    assert_close(TORUS.shift(there, [-step for step in by]), tensor, rtol=0, atol=0)


def test_a_shift_moves_the_content_to_higher_places():
    assert TORUS.shift(ROW, (1,)).flatten().tolist() == [3, 1, 2]
    assert Topology("zeros").shift(ROW, (1,)).flatten().tolist() == [0, 1, 2]
    assert Topology("zeros").shift(ROW, (-4,)).flatten().tolist() == [0, 0, 0]


def test_neighbours_stand_in_raster_order():
    grid = torch.arange(9.0).view(1, 1, 3, 3)
    near = TORUS.neighbours(grid)
    assert near.shape == (1, 9, 1, 3, 3)
    assert near[0, :, 0, 1, 1].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert near[0, :, 0, 0, 0].tolist() == [8, 6, 7, 2, 0, 1, 5, 3, 4]


@given(tensor=tensors(axes=2, high=5), boundary=boundaries(), radius=radii())
def test_neighbours_are_shifts(tensor, boundary, radius):
    topology = Topology(boundary)
    reach = range(-radius, radius + 1)
    # the neighbour at an offset is what a shift against the offset brings here
    shifts = [topology.shift(tensor, (-dy, -dx)) for dy, dx in itertools.product(reach, reach)]
    assert_close(topology.neighbours(tensor, radius), torch.stack(shifts, 1), rtol=0, atol=0)


@given(axes=axes(), size=sizes(high=5), radius=radii(2), boundary=boundaries(), seed=random_seeds())
def test_correlation_is_a_weighted_sum_of_neighbours(axes, size, radius, boundary, seed):
    topology = Topology(boundary)
    tensor = normal((2, 3, *size[:axes]), seed, "tensor")
    weight = normal((4, 3, *(2 * radius + 1,) * axes), seed, "weight")
    bias = normal((4,), seed, "bias")
    near = topology.neighbours(tensor, radius)
    wanted = torch.einsum("ocn,bnc...->bo...", weight.flatten(2), near)
    wanted = wanted + bias.view(-1, *(1,) * axes)
    assert_close(topology.correlate(tensor, weight, bias), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(axes=axes(), size=sizes(high=5), radius=radii(2), boundary=boundaries(), seed=random_seeds())
def test_stencils_see_every_channel_kernel_by_kernel(dtype, axes, size, radius, boundary, seed):
    topology = Topology(boundary)
    tensor = normal((2, 3, *size[:axes]), seed, "tensor").to(dtype).requires_grad_()
    kernels = normal((4, *(2 * radius + 1,) * axes), seed, "kernels").to(dtype)
    near = topology.neighbours(tensor, radius)
    wanted = torch.einsum("kn,bnc...->bkc...", kernels.flatten(1), near).flatten(1, 2)
    found = stencils_valid(topology.pad(tensor, radius), kernels)
    assert_close(found, wanted)
    pull = normal(tuple(found.shape), seed, "pull").to(dtype)
    slopes = (torch.autograd.grad(seen, tensor, pull) for seen in (found, wanted))
    assert_close(*(slope for (slope,) in slopes))


def test_a_kernel_may_have_unequal_sides():
    weight = torch.zeros(1, 1, 1, 3)
    weight[..., 2] = 1  # the right neighbour
    grid = torch.arange(6.0).view(1, 1, 2, 3)
    assert TORUS.correlate(grid, weight)[0, 0].tolist() == [[1, 2, 0], [4, 5, 3]]


def test_groups_keep_channels_apart():
    tensor = normal((1, 2, 4), 0)
    weight = torch.tensor([[[0.0, 2.0, 0.0]], [[0.0, 3.0, 0.0]]], dtype=torch.float64)
    wanted = tensor * torch.tensor([2.0, 3.0]).view(1, 2, 1)
    assert_close(TORUS.correlate(tensor, weight, groups=2), wanted.double())


@given(axes=axes(), size=sizes(high=5), radius=radii(2), boundary=boundaries(), seed=random_seeds())
def test_the_maximum_is_that_of_the_neighbourhood(axes, size, radius, boundary, seed):
    tensor = normal((2, 1, *size[:axes]), seed)
    topology = Topology(boundary)
    wanted = topology.neighbours(tensor, radius).amax(dim=1)
    assert_close(topology.maximum(tensor, radius), wanted, rtol=0, atol=0)


def test_an_unknown_boundary_is_refused():
    with pytest.raises(ShapeError) as refusal:
        Topology("circular")
    assert str(refusal.value) == (
        "there is no boundary 'circular'.\n"
        "  where:  Topology('circular')\n"
        "  to do:  choose among torus, zeros, reflect, replicate"
    )


def test_boundaries_must_be_as_many_as_axes():
    with pytest.raises(ShapeError) as refusal:
        Topology(("torus", "zeros")).pad(ROW, 1)
    assert str(refusal.value) == (
        "the topology names 2 axes, but the grid has 1.\n"
        "  where:  Topology(('torus', 'zeros'))\n"
        "  to do:  name one boundary for all axes, or one for each axis of the grid"
    )


@given(size=sizes(high=4), reach=radii(), axes=axes(), data=st.data())
def test_padding_all_axes_at_once_is_padding_one_after_the_other(size, reach, axes, data):
    """Where the channels of a cell lie side by side; gradients, and gradients of these, too."""
    topology = Topology(tuple(data.draw(boundaries()) for _ in range(axes)))
    apart = torch.randn(2, 3, *size[:axes], dtype=torch.float64, requires_grad=True)
    together = apart.detach().movedim(1, -1).contiguous().movedim(-1, 1).requires_grad_()
    along, found = torch.randn_like(topology.pad(apart, reach)), []
    for level in (apart, together):
        padded = topology.pad(level, reach)
        (first,) = torch.autograd.grad(padded.pow(3).sum(), level, create_graph=True)
        (second,) = torch.autograd.grad((first * level).sum(), level)
        found.append([padded * along, first, second])
    assert_close(*found)
