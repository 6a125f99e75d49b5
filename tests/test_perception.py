"""Fixed perception: which features a cell has, and in which order."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from simple import numbers
from strategies import axes, normal, random_seeds, sizes
from torch import Tensor, nn
from torch.testing import assert_close

from nca import (
    TORUS,
    Layer,
    Layout,
    Level,
    MLPTerm,
    Program,
    RuleContext,
    ShapeError,
    State,
    StencilPerception,
    View,
    per_cell,
    perceptron,
)
from nca.engine import stencils
from nca.engine.run_program import run_program
from nca.engine.step_inputs import DenseInputs


def view_of(body: Tensor) -> View:
    layout = Layout([Level("body", body.shape[1])])
    state = State({"body": body})
    place = RuleContext(layout, "body", state.axes, TORUS)
    return View(DenseInputs(state, layout, TORUS), place, frozenset(["body"]), "test")


def perceive(perception: StencilPerception, body: Tensor) -> Tensor:
    view = view_of(body)
    return perception.to(body.dtype)(view, view.own)


def test_a_row_has_itself_and_its_slope():
    features = perceive(StencilPerception(1, 1), torch.tensor([[[1.0, 2.0, 4.0]]]))
    assert features.tolist() == [[[1, 2, 4], [-1, 1.5, -0.5]]]
    assert numbers(State({"body": features[:, :1]})) == [1, 2, 4]


@given(count=axes(), size=sizes(high=4), laplacian=st.booleans(), seed=random_seeds())
def test_features_come_channel_by_channel(count, size, laplacian, seed):
    body = normal((2, 3, *size[:count]), seed)
    perception = StencilPerception(3, count, laplacian=laplacian)
    kernels = [stencils.identity(count), *stencils.gradients(count)]
    kernels += [stencils.laplacian(count)] * laplacian
    wanted = [
        TORUS.correlate(body[:, channel : channel + 1], kernel[None, None])
        for channel in range(3)
        for kernel in kernels
    ]
    assert perception.features == len(wanted)
    assert_close(perceive(perception, body), torch.cat(wanted, dim=1))


@given(count=axes(), size=sizes(high=4), laplacian=st.booleans(), seed=random_seeds())
def test_the_length_of_the_gradient_stands_for_the_slopes(count, size, laplacian, seed):
    body = normal((2, 3, *size[:count]), seed)
    each = StencilPerception(3, count, laplacian=laplacian)
    length = StencilPerception(3, count, laplacian=laplacian, slopes="length")
    seen = perceive(each, body).unflatten(1, (3, -1))
    steep = (seen[:, :, 1 : 1 + count].square().sum(dim=2, keepdim=True) + 1e-8).sqrt()
    wanted = torch.cat((seen[:, :, :1], steep, seen[:, :, 1 + count :]), dim=2)
    assert length.features == wanted.shape[2] * 3
    assert_close(perceive(length, body), wanted.flatten(1, 2))


@pytest.mark.parametrize("slopes", ["each", "length"])
@given(count=axes(), size=sizes(high=4), laplacian=st.booleans(), seed=random_seeds())
def test_a_program_takes_the_features_in_their_order(slopes, count, size, laplacian, seed):
    body = normal((2, 3, *size[:count]), seed)
    perception = StencilPerception(3, count, laplacian=laplacian, slopes=slopes).double()
    layer = nn.Linear(perception.features, 5).double()
    term = MLPTerm((perception.perception("own"),), (Layer(layer.weight, layer.bias, "none"),))
    found = run_program(Program((term,)), view_of(body))
    assert_close(found, per_cell(layer, perceive(perception, body)))


def test_a_gain_of_eight_gives_the_whole_numbers_of_the_notebooks():
    own, x, y, laplacian = StencilPerception(1, 2, laplacian=True, gain=8.0).kernels
    assert own.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert x.tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert torch.equal(y, x.T)
    assert laplacian.tolist() == [[1, 2, 1], [2, -12, 2], [1, 2, 1]]


def test_where_all_is_flat_the_length_has_a_gradient():
    body = torch.zeros(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(
        perceive(StencilPerception(1, 2, slopes="length"), body).sum(), body
    )
    assert slope.isfinite().all()


def test_a_quarter_turn_exchanges_the_slopes():
    body = normal((1, 2, 4, 5), 0)
    straight = perceive(StencilPerception(2, 2), body).unflatten(1, (2, 3))
    turned = perceive(StencilPerception(2, 2, angle=math.pi / 2), body).unflatten(1, (2, 3))
    assert_close(turned[:, :, 0], straight[:, :, 0])
    assert_close(turned[:, :, 1], -straight[:, :, 2])
    assert_close(turned[:, :, 2], straight[:, :, 1])


def test_the_angle_may_be_set_again():
    perception = StencilPerception(2, 2).double()
    perception.angle = 0.3
    assert perception.angle == 0.3
    assert perception.kernels.dtype == torch.float64
    body = normal((1, 2, 4, 5), 0)
    assert_close(perceive(perception, body), perceive(StencilPerception(2, 2, angle=0.3), body))


def test_kernels_are_no_weights_and_are_not_saved():
    perception = StencilPerception(2, 2)
    assert list(perception.parameters()) == []
    assert perception.state_dict() == {}


def test_perception_turns_in_two_axes_only():
    with pytest.raises(ShapeError, match="perception cannot turn in a grid of 3 axes"):
        StencilPerception(2, 3, angle=0.1)


@given(count=axes(), size=sizes(high=4), seed=random_seeds())
def test_one_layer_serves_every_cell(count, size, seed):
    tensor = normal((2, 3, *size[:count]), seed)
    linear = nn.Linear(3, 4).double()
    wanted = torch.einsum("oc,bc...->bo...", linear.weight, tensor)
    assert_close(per_cell(linear, tensor), wanted + linear.bias.view(-1, *(1,) * count))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_perceptron_is_its_layers_one_after_the_other(axes):
    torch.manual_seed(0)
    layers = [nn.Linear(3, 7), nn.Linear(7, 5), nn.Linear(5, 2)]
    tensor = torch.randn(2, 3, *range(4, 4 + axes), requires_grad=True)
    before = tensor.detach().clone()
    found = perceptron(tensor, *layers)
    wanted = per_cell(layers[2], per_cell(layers[1], per_cell(layers[0], tensor).relu()).relu())
    assert torch.equal(found, wanted)
    weights = [tensor, *(weight for layer in layers for weight in layer.parameters())]
    pull = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, weights, pull),
        torch.autograd.grad(wanted, weights, pull),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert torch.equal(tensor, before)  # nothing that was given is bent
    assert torch.equal(perceptron(tensor, layers[0]), per_cell(layers[0], tensor))
