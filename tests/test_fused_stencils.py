"""Fixed stencils are perceived before the hidden layer where that is the smaller product."""

from collections import Counter

import pytest
import torch
from fused_case import (
    DEVICE,
    Fade,
    Net,
    apart,
    assert_same_future,
    end_and_gradients,
    state_of,
)
from torch import Tensor

from nca import (
    Alive,
    Automaton,
    Layer,
    Layout,
    Level,
    MLPTerm,
    Program,
    RuleContext,
    StencilPerception,
    UpdateRule,
)
from nca.backends.fused import FusedStepper
from nca.backends.triton import float32_products
from nca.backends.triton.launch import Launch
from nca.backends.triton.plan import NetPlan, stencils_pay
from nca.engine.program import Stencils

pytest.importorskip("triton")

DRAWN = torch.tensor(
    [[[0.2, -0.4, 0.1], [0.9, 0.3, -0.7], [0.5, 0.0, 0.6]], [[0, 0.8, 0.0], [1, 0, -1], [0, 2, 0]]]
)
"""Two stencils without any symmetry."""


class Perceiving(UpdateRule):
    """Stencils over every channel of a level, two linear layers, relu, a change."""

    def __init__(
        self,
        place: RuleContext,
        hidden: int,
        stencils: Tensor | None = None,
        reads: str = "own",
        laplacian: bool = False,
    ) -> None:
        super().__init__()
        self.reads, self.channels = (reads,), place.level(reads).channels
        perception = StencilPerception(self.channels, 2, angle=0.4, laplacian=laplacian)
        kernels = perception.kernels if stencils is None else stencils
        self.register_buffer("kernels", kernels)
        self.first = torch.nn.Linear(self.channels * len(kernels), hidden)
        self.last = torch.nn.Linear(hidden, place.own.channels)

    def program(self) -> Program:
        sight = Stencils(self.reads[0], self.channels, self.kernels)
        first = Layer(self.first.weight, self.first.bias, "none")
        return Program(
            (MLPTerm((sight,), (first, Layer(self.last.weight, self.last.bias, "relu"))),)
        )


def perceiving(channels: int, hidden: int, laplacian: bool = False, **settings) -> Automaton:
    layout = Layout([Level("body", channels)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rule = Perceiving(RuleContext(layout, "body"), hidden, laplacian=laplacian)
    return Automaton(layout, {"body": [rule]}, **settings).to(DEVICE)


def levels_that_perceive_each_other() -> Automaton:
    """Return stencils and learned kernels side by side, on an input and two levels."""
    layout = Layout([Level("image", 10, input=True), Level("low", 6), Level("high", 9)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        low, high = RuleContext(layout, "low"), RuleContext(layout, "high")
        rules = {
            "low": [
                Perceiving(low, 20, DRAWN, "image"),
                Net(low, 5, "above"),
                Perceiving(low, 40),
                Fade(),
            ],
            "high": [Net(high, 3), Perceiving(high, 7, DRAWN, "below")],
        }
    return Automaton(layout, rules, fire_rate=0.6).to(DEVICE)


def nets_of(automaton: Automaton) -> list[NetPlan]:
    plan = FusedStepper(automaton.spec, state_of(automaton, 1, (1, 1), 0)).weights.plan
    return [net for level in plan.levels for net in level.nets]


@pytest.mark.parametrize(
    ("channels", "hidden", "laplacian", "size", "stencils"),
    [
        (16, 96, False, (3, 5), 3),
        (10, 130, True, (5, 3), 4),
        (24, 96, False, (1, 3), 3),
        (24, 12, True, (3, 1), 4),
        (3, 96, False, (3, 5), 0),
        (1, 20, True, (1, 1), 0),
    ],
)
def test_what_is_perceived_first_has_the_future_of_the_plain_step(
    channels, hidden, laplacian, size, stencils
):
    alive = Alive("body", 0, 0.2)
    automaton = perceiving(channels, hidden, laplacian, fire_rate=0.6, alive=alive)
    (net,) = nets_of(automaton)
    assert net.stencils == stencils
    assert_same_future(automaton, state_of(automaton, 2, size, 5), steps=2)


def test_a_hidden_layer_in_pieces_and_reduced_products():
    automaton = perceiving(9, 130, True)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        (net,) = nets_of(automaton)
    assert (net.hidden, net.wide) == (144, 64), "64, 64 and 16"
    state = state_of(automaton, 1, (3, 5), 7)
    plain, wanted = end_and_gradients(automaton, state, False)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        fused, gradients = end_and_gradients(automaton, state, True)
    assert 1e-5 < apart(fused["body"], plain["body"]) < 0.03
    # what is perceived is rounded, which puts some hidden units on the other side of relu's kink
    assert all(apart(gradients[name], wanted[name]) < 0.1 for name in wanted)


def test_stencils_and_learned_kernels_stand_side_by_side():
    automaton = levels_that_perceive_each_other()
    assert [net.stencils for net in nets_of(automaton)] == [2, 0, 3, 0, 2]
    assert_same_future(automaton, state_of(automaton, 1, (3, 4), 3), steps=2)


def test_stencils_that_learn_are_folded_and_have_their_gradient():
    automaton = perceiving(9, 12)
    rule = automaton.rules_of("body")[0]
    kernels = rule.kernels
    del rule.kernels
    rule.kernels = torch.nn.Parameter(kernels.clone())
    (net,) = nets_of(automaton)
    assert net.stencils == 0
    assert_same_future(automaton, state_of(automaton, 1, (3, 3), 1))


@pytest.mark.parametrize(
    ("channels", "stencils", "pays"),
    [
        (16, 3, True),  # 48 numbers for 144
        (12, 4, True),  # 64 for 144
        (5, 3, True),  # 48 for 80
        (3, 3, False),  # 48 for 48, which leaves less to compute
        (1, 3, False),  # 48 for 16
        (16, 5, False),  # more than a program holds
        (32, 4, True),
        (33, 3, False),
    ],
)
def test_the_smaller_product_is_taken(channels, stencils, pays):
    assert stencils_pay(channels, stencils) == pays


def started(monkeypatch: pytest.MonkeyPatch) -> list[Launch]:
    """Return the launches from here on, in order."""
    found: list[Launch] = []
    start = Launch.__call__

    def kept(launch: Launch, *given: object) -> None:
        found.append(launch)
        start(launch, *given)

    monkeypatch.setattr(Launch, "__call__", kept)
    return found


def test_a_step_that_perceives_first_is_one_launch_and_its_gradient_two(monkeypatch):
    automaton = perceiving(9, 12, fused=True)
    launches = started(monkeypatch)
    automaton.rollout(state_of(automaton, 1, (2, 2), 0), 3)["body"].sum().backward()
    assert Counter(launch.program.__name__ for launch in launches) == {
        "step_levels": 3,
        "hidden_gradients": 3,
        "field_gradients": 2,
    }


@pytest.fixture
def _precision():
    before = torch.backends.cuda.matmul.fp32_precision
    yield
    torch.backends.cuda.matmul.fp32_precision = before


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize(
    ("torchs", "products"), [("none", "tf32x3"), ("ieee", "exact"), ("tf32", "tf32")]
)
def test_products_of_float32_follow_torchs_switch_in_every_program(torchs, products, monkeypatch):
    torch.backends.cuda.matmul.fp32_precision = torchs
    assert float32_products(16) == products
    assert float32_products(17) == "exact"
    automaton = levels_that_perceive_each_other()
    launches = started(monkeypatch)
    state = state_of(automaton, 1, (2, 2), 0)
    fused, gradients = end_and_gradients(automaton, state, True, 2)
    assert {launch.program.__name__ for launch in launches} == {
        "step_levels",
        "hidden_gradients",
        "first_gradients",
        "field_gradients",
    }
    for launch in launches:
        # beside first layers registers do not hold more than exact products
        exact = launch.program.__name__ == "hidden_gradients"
        assert launch.constants["PRODUCTS"] == ("exact" if exact else products)
    plain, wanted = end_and_gradients(automaton, state, False, 2)
    assert apart(fused["low"], plain["low"]) < 1e-5
    assert all(apart(gradients[name], wanted[name]) < 1e-5 for name in wanted)
