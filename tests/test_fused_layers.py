"""Fused steps of any activation, of several hidden layers, and of nets that read several levels."""

from collections import Counter
from itertools import pairwise
from typing import get_args

import pytest
import torch
from fused_case import (
    DEVICE,
    Fade,
    Layered,
    Net,
    assert_reduced_products_are_near,
    assert_same_future,
    layered,
    state_of,
)

from nca import (
    Alive,
    Automaton,
    Layer,
    Layout,
    Level,
    MLPTerm,
    Noise,
    Program,
    RuleContext,
    ShapeError,
    UpdateRule,
    why_not_fused,
)
from nca.backends.fused import FusedStepper
from nca.backends.lowering import FusedMLP, lower
from nca.backends.triton.launch import Launch
from nca.backends.triton.plan import DeepPlan, LevelPlan, reads
from nca.checkpoint.read import read_recipe
from nca.engine.program import ACTIVATIONS, Activation, Correlation, Stencils
from nca_plugins.self_classifying import SelfClassifying

pytest.importorskip("triton")

KNOWN: tuple[Activation, ...] = get_args(Activation)


def plan_of(automaton: Automaton) -> LevelPlan:
    """Return the plan of the first level."""
    return FusedStepper(automaton.spec, state_of(automaton, 1, (1, 1), 0)).weights.plan.levels[0]


def deep_net(automaton: Automaton) -> DeepPlan:
    level = plan_of(automaton)
    assert not level.nets
    (net,) = level.deep
    return net


@pytest.mark.parametrize("activation", KNOWN)
@pytest.mark.parametrize("channels", [5, 10])
def test_one_hidden_layer_has_any_activation_with_stencils_and_without(activation, channels):
    automaton = layered(channels, (20,), activation, channels == 10, fire_rate=0.6)
    (net,) = plan_of(automaton).nets
    assert (net.activation, net.stencils) == (activation, 3 if channels == 10 else 0)
    assert_same_future(automaton, state_of(automaton, 2, (3, 5), 2**40 + 3))


@pytest.mark.parametrize(
    ("hidden", "activation", "wide"),
    [((128,), "relu", 128), ((128,), "gelu", 64), ((128, 128), "relu", 64)],
)
def test_registers_decide_how_many_units_a_program_holds(hidden, activation, wide):
    automaton = layered(5, hidden, activation, False)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        level = plan_of(automaton)
    assert {net.wide for net in reads(level)} == {wide}
    exact = plan_of(automaton)
    assert {net.wide for net in reads(exact)} == {wide // 2}


@pytest.mark.parametrize("activation", KNOWN)
def test_two_hidden_layers_have_any_activation(activation):
    alive = Alive("body", 3, 0.8)
    automaton = layered(6, (20, 80), activation, False, fire_rate=0.6, alive=alive)
    if activation != "none":
        assert [layer.inputs for layer in deep_net(automaton).layers] == [32, 96]
    assert_same_future(automaton, state_of(automaton, 2, (5, 3), 4), steps=2)


@pytest.mark.parametrize("hidden", [(80, 20), (7, 20, 5), (130, 70)])
def test_hidden_layers_behind_stencils_in_any_number_and_in_pieces(hidden):
    alive = Alive("body", 0, 0.9, 0, dead="frozen")
    automaton = layered(9, hidden, "tanh", True, alive=alive, noise=Noise(0.1), step_size=0.7)
    net = deep_net(automaton)
    assert [read.stencils for read in net.reads] == [0], "folded into the first layer"
    assert len(net.layers) == len(hidden)
    assert_same_future(automaton, state_of(automaton, 2, (3, 7), 6))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 2)])
def test_deep_nets_wrap_on_a_grid_narrower_than_a_neighbourhood(size):
    automaton = layered(2, (3, 4), "gelu", False)
    assert_same_future(automaton, state_of(automaton, 3, size, 8))


def levels_of_all_kinds(**settings: object) -> Automaton:
    """Return an input under two levels, with nets of one and several layers and levels."""
    layout = Layout([Level("image", 1, input=True), Level("low", 6), Level("high", 3)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        low, high = RuleContext(layout, "low"), RuleContext(layout, "high")
        rules = {
            "low": [
                Layered(low, (9, 20), "silu", ("below", "own", "above")),
                Net(low, 5, "above"),
                Layered(low, (40,), "sine", ("own", "below"), bound=1.5),
                Fade(),
            ],
            "high": [Layered(high, (12,), "tanh"), Layered(high, (4, 7), "relu", ("low",))],
        }
    return Automaton(layout, rules, **settings).to(DEVICE)


def test_nets_of_several_levels_and_layers_stand_beside_others():
    automaton = levels_of_all_kinds(fire_rate=0.6, alive=Alive("image", 0, 0.7))
    level = plan_of(automaton)
    assert (len(level.nets), [len(net.reads) for net in level.deep]) == (1, [3, 2])
    assert_same_future(automaton, state_of(automaton, 2, (3, 5), 3), steps=2)


def self_classifying(channels: int, units: int) -> Automaton:
    layout = Layout([Level("image", 1, input=True), Level("body", channels)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        rule = SelfClassifying(RuleContext(layout, "body"), perceive=units, hidden=units)
        torch.nn.init.normal_(rule.change.weight, std=0.1)
    alive = Alive("image", 0, 0.1, 0, dead="frozen")
    return Automaton(layout, {"body": [rule]}, fire_rate=0.5, alive=alive).to(DEVICE)


def test_the_rule_of_self_classifying_digits_is_fused():
    automaton = read_recipe("self_classifying_mnist").automaton().to(DEVICE)
    assert why_not_fused(automaton, automaton.seed(1, (3, 3)).to(DEVICE)) is None
    automaton = self_classifying(19, 80)
    assert [read.channels for read in deep_net(automaton).reads] == [1, 19]
    assert_same_future(automaton, state_of(automaton, 2, (5, 3), 5), steps=2)


def alone(kernel: bool) -> Automaton:
    """Return a level that reads the one below cell by cell, by kernels or stencils of side 1."""

    class Alone(UpdateRule):
        reads = ("below",)

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)

        def program(self) -> Program:
            weight, ones = self.first.weight, self.first.weight.new_ones(1, 1, 1)
            last = Layer(self.last.weight, self.last.bias, "tanh")
            if kernel:
                own = Correlation("below", weight[:, :, None, None], self.first.bias)
                return Program((MLPTerm((own,), (last,)),))
            own = Stencils("below", 5, 2 * ones)
            layers = Layer(weight, self.first.bias, "none"), last
            return Program((MLPTerm((own,), layers),))

    layout = Layout([Level("low", 5), Level("high", 3)])
    return Automaton(layout, {"high": [Alone()]}, noise=Noise(0.1)).to(DEVICE)


@pytest.mark.parametrize("kernel", [True, False])
def test_what_sees_a_cell_alone_is_a_stencil_with_zeros_around_it(kernel):
    automaton = alone(kernel)
    assert_same_future(automaton, state_of(automaton, 2, (3, 5), 7), steps=2)


def test_a_condition_beside_the_perception_of_a_growing_cell_is_fused():
    automaton = read_recipe("growing_conditional").automaton().to(DEVICE)
    torch.nn.init.normal_(automaton.rules_of("body")[0].change.weight, std=0.1)
    state = state_of(automaton, 2, (3, 5), 9)
    assert why_not_fused(automaton, state) is None
    assert_same_future(automaton, state)


@pytest.mark.parametrize("hidden", [(20,), (20, 80)])
def test_reduced_products_of_smooth_activations_are_near_and_not_the_same(hidden):
    automaton = layered(5, hidden, "gelu", False)
    assert_reduced_products_are_near(automaton, state_of(automaton, 2, (4, 3), 11))


class Chain(UpdateRule):
    """A correlation, then layers of given activations."""

    def __init__(self, place: RuleContext, activations: list[Activation]) -> None:
        super().__init__()
        self.activations = activations
        self.first = torch.nn.Conv2d(place.own.channels, 4, 3)
        widths = [4, *(5 + number for number in range(len(activations) - 1)), place.own.channels]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in pairwise(widths))

    def program(self) -> Program:
        sight = Correlation("own", self.first.weight, self.first.bias)
        each = zip(self.layers, self.activations, strict=True)
        layers = [Layer(layer.weight, layer.bias, activation) for layer, activation in each]
        return Program((MLPTerm((sight,), tuple(layers)),))


@pytest.mark.parametrize(
    ("activations", "left"),
    [
        (["none", "relu", "none", "none"], ["relu"]),
        (["none", "none", "tanh", "none", "sine"], ["tanh", "sine"]),
        (["none", "none"], ["none"]),
    ],
)
def test_linear_layers_that_follow_each_other_are_one(activations, left):
    layout = Layout([Level("body", 3)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        rule = Chain(RuleContext(layout, "body"), activations)
    automaton = Automaton(layout, {"body": [rule]}).to(DEVICE)
    found = lower(rule.program())
    assert isinstance(found, list)
    (net,) = found
    assert isinstance(net, FusedMLP)
    assert [layer.activation for layer in net.layers] == left
    assert_same_future(automaton, state_of(automaton, 1, (3, 4), 1))


@pytest.mark.parametrize(
    ("made", "of_fields", "once"),
    [
        (lambda: layered(4, (6, 5), "gelu", False), 2, {}),
        # for the share of itself that a level adds, before the first
        (levels_of_all_kinds, 3, {"squash_levels": 1}),
    ],
)
def test_deep_nets_take_one_launch_a_step_and_three_back(made, of_fields, once, monkeypatch):
    started: Counter[str] = Counter()
    start = Launch.__call__

    def counted(launch: Launch, *given: object) -> None:
        started[launch.program.__name__] += 1
        start(launch, *given)

    automaton = made()
    monkeypatch.setattr(Launch, "__call__", counted)
    automaton.fused = True
    end = automaton.rollout(state_of(automaton, 1, (2, 2), 0), 3)
    assert started == {"step_levels": 3, **once}
    started.clear()
    torch.stack([level.sum() for level in end.values()]).sum().backward()
    wanted = {"hidden_gradients": 3, "first_gradients": 3, "field_gradients": of_fields}
    assert started == {**wanted, **once}


def test_weights_of_layers_that_do_not_fit_are_refused():
    automaton = self_classifying(4, 6)
    automaton.fused = True
    automaton.rules_of("body")[0].change = torch.nn.Linear(5, 4).to(DEVICE)
    with pytest.raises(ShapeError) as refusal:
        automaton.step(state_of(automaton, 1, (3, 3), 0))
    fits = "[(6, 1, 3, 3), (6, 4, 3, 3), (6,), (6, 6), (6,), (4, 6), (4,)]"
    assert str(refusal.value) == (
        f'a program of level "body" has weights of shapes {fits.replace("(4, 6)", "(4, 5)")}.\n'
        "  where:  it reads 1 and 4 channels and writes 4, with 6 and 6 hidden units\n"
        f"  to do:  return weights of shapes {fits} from the rule's `program()`"
    )


@pytest.mark.parametrize("activation", KNOWN)
def test_activations_and_their_derivatives_are_those_of_torch(activation):
    from bending_program import bend

    assert {"none", *ACTIVATIONS} == set(KNOWN)
    far = torch.tensor([0.0, -0.0, 1e-20, -1e-3, 60.0, -88.0, -104.0, 1234.5, -9876.5])
    sums = torch.cat([torch.linspace(-30, 30, 3001), far]).to(DEVICE)
    found = torch.empty_like(sums), torch.empty_like(sums)
    bend[(4,)](sums, *found, len(sums), activation, 1024)
    exact = sums.double().requires_grad_()
    outcome = ACTIVATIONS[activation](exact) if activation != "none" else 1 * exact
    (slope,) = torch.autograd.grad(outcome.sum(), exact)
    for ours, wanted in zip(found, (outcome, slope), strict=True):
        torch.testing.assert_close(ours.double(), wanted, rtol=1e-6, atol=1e-6)
