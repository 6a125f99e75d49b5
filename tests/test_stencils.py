"""The fixed kernels, against the numbers of the articles."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import axes, normal, random_seeds
from torch.testing import assert_close

from nca import TORUS, ShapeError
from nca.engine import stencils

ANGLES = st.floats(-7, 7)


def test_the_gradient_is_sobel_over_eight():
    rows = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    sobel_x = torch.tensor(rows, dtype=torch.float64) / 8
    assert_close(stencils.gradient(2, 1), sobel_x)
    assert_close(stencils.gradient(2, 0), sobel_x.T.contiguous())


def test_the_laplacian_has_twelve_in_its_middle():
    rows = [[1, 2, 1], [2, -12, 2], [1, 2, 1]]
    assert_close(stencils.laplacian(2), torch.tensor(rows, dtype=torch.float64) / 8)


def test_in_one_axis_they_are_differences():
    assert stencils.identity(1).tolist() == [0, 1, 0]
    assert stencils.gradient(1, 0).tolist() == [-0.5, 0, 0.5]
    assert stencils.laplacian(1).tolist() == [0.5, -1, 0.5]


@given(count=axes())
def test_slopes_and_laplacian_sum_to_nothing_and_the_identity_to_one(count):
    for kernel in (*stencils.gradients(count), stencils.laplacian(count)):
        assert kernel.shape == (3,) * count
        assert_close(kernel.sum(), torch.tensor(0.0, dtype=torch.float64))
    assert stencils.identity(count).sum() == 1


@given(count=axes())
def test_a_plane_has_the_slope_that_it_has(count):
    # a ramp of 2 per cell along each axis in turn
    for axis in range(count):
        ramp = 2 * torch.arange(3, dtype=torch.float64).view(3, *(1,) * (count - 1 - axis))
        ramp = ramp.expand((3,) * count)
        slopes = [float((stencils.gradient(count, other) * ramp).sum()) for other in range(count)]
        assert slopes == pytest.approx([2.0 * (other == axis) for other in range(count)])


def test_x_comes_before_y():
    x, y = stencils.gradients(2)
    assert_close(x, stencils.gradient(2, 1))
    assert_close(y, stencils.gradient(2, 0))


def test_a_quarter_turn_makes_x_of_y():
    x, y = stencils.gradients(2)
    turned_x, turned_y = stencils.gradients(2, math.pi / 2)
    assert_close(turned_x, -y)
    assert_close(turned_y, x)


@given(one=ANGLES, other=ANGLES)
def test_turning_twice_is_turning_by_the_sum(one, other):
    x, y = stencils.gradients(2, one)
    c, s = math.cos(other), math.sin(other)
    both = stencils.gradients(2, one + other)
    assert_close([c * x - s * y, s * x + c * y], both)


@given(seed=random_seeds(), angle=ANGLES)
def test_turning_keeps_the_length_of_the_slope(seed, angle):
    grid = normal((1, 1, 4, 5), seed)

    def length(kernels: list[torch.Tensor]) -> torch.Tensor:
        return TORUS.correlate(grid, torch.stack(kernels).unsqueeze(1)).square().sum(dim=1)

    assert_close(length(stencils.gradients(2, angle)), length(stencils.gradients(2)))


def test_only_a_plane_can_be_turned():
    with pytest.raises(ShapeError) as refusal:
        stencils.gradients(3, 0.5)
    assert str(refusal.value) == (
        "perception cannot turn in a grid of 3 axes.\n"
        "  where:  gradients(axes=3, angle=0.5)\n"
        "  to do:  leave the angle at 0, or use a grid of two axes"
    )
