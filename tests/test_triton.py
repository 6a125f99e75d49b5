"""The fused step takes the plain step's place: the same masks, nearly the same numbers.

Without a GPU, Triton interprets the programs on the host, slowly: grids are tiny here. An
interpreter accepts what a compiler refuses: see `test_triton_compile.py`.
"""

from collections.abc import Iterator

import pytest
import torch
from fused_case import (
    DEVICE,
    NEAR,
    Net,
    Silent,
    apart,
    assert_reduced_products_are_near,
    assert_same_future,
    end_and_gradients,
    one_net,
    state_of,
    three_levels,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import random_seeds, sizes

from nca import (
    ActivationMemory,
    Alive,
    Automaton,
    Layout,
    Level,
    Noise,
    RuleContext,
    ShapeError,
    Skip,
    State,
    Topology,
    why_not_fused,
)
from nca.backends.fused import FusedStepper
from nca.backends.triton.step import program_options

pytest.importorskip("triton")


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """Let the plain step's convolutions be those of float32 on a GPU, too."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.mark.parametrize(
    "settings",
    [
        {"fire_rate": 0.5, "alive": Alive("body", 3, 1.5), "step_size": 0.7},
        {"fire_rate": 0.5, "noise": Noise(0.1)},
        {"noise": Noise(0.1, kind="uniform"), "alive": Alive("body", 0, 0.1, 0, dead="frozen")},
        {"skips": [Skip(every=1, weight=0.5)]},
    ],
    ids=["cleared", "normal noise", "frozen", "skips"],
)
def test_a_fused_step_is_the_plain_step(settings):
    automaton = one_net(**settings)
    assert_same_future(automaton, state_of(automaton, 2, (7, 5), 2**40 + 3))


def assert_the_same_cells_live(automaton: Automaton, state: State) -> None:
    living = automaton.alive_mask(state)
    assert living is not None
    assert living.any()
    assert not living.all()
    ends = []
    for automaton.fused in (True, False):
        ends.append(automaton.step(state)["body"])
    torch.testing.assert_close(*ends, equal_nan=True)


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_the_living_are_the_same_also_beyond_the_grid_and_beside_nan(radius):
    automaton = one_net(3, 4, alive=Alive("body", 1, 1.4, radius, dead="frozen"))
    state = state_of(automaton, 2, (3, 11), 12)
    state["body"][0, 1, 1, 4] = torch.nan
    assert_the_same_cells_live(automaton, state)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (2, 2)])
def test_the_living_wrap_on_a_grid_narrower_than_their_reach(size):
    automaton = one_net(3, 4, alive=Alive("body", 1, 0.5))
    assert_the_same_cells_live(automaton, state_of(automaton, 3, size, 2))


def test_nets_of_all_levels_are_fused_together():
    automaton = three_levels(fire_rate=0.6)
    assert_same_future(automaton, state_of(automaton, 1, (4, 5), 5))


def test_a_hidden_layer_wider_than_a_program_and_many_channels():
    automaton = one_net(channels=20, hidden=70)
    assert_same_future(automaton, state_of(automaton, 1, (3, 3), 6))


def test_many_channels_take_more_threads_and_fewer_hidden_units_at_once():
    for channels, wide, warps in ((32, 128, 4), (33, 64, 8), (128, 64, 8)):
        automaton = one_net(channels, 130)
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            weights = FusedStepper(automaton.spec, state_of(automaton, 1, (1, 1), 0)).weights
        assert weights.plan.levels[0].nets[0].wide == wide
        assert program_options(weights)["num_warps"] == warps
        exact = FusedStepper(automaton.spec, state_of(automaton, 1, (1, 1), 0)).weights
        assert exact.plan.levels[0].nets[0].wide == wide // 2
    assert_reduced_products_are_near(automaton, state_of(automaton, 1, (2, 2), 3))


def test_several_nets_of_a_level_hold_fewer_hidden_units_at_once_where_products_are_exact():
    automaton = three_levels()
    level, *_ = automaton.rules["low"]
    level.first = torch.nn.Conv2d(2, 40, 3).to(DEVICE)
    level.last = torch.nn.Linear(40, 4).to(DEVICE)
    state = state_of(automaton, 1, (3, 3), 0)
    assert FusedStepper(automaton.spec, state).weights.plan.levels[0].nets[0].wide == 32
    assert_same_future(automaton, state)
    alone = one_net(4, 40)
    plan = FusedStepper(alone.spec, state_of(alone, 1, (3, 3), 0)).weights.plan
    assert plan.levels[0].nets[0].wide == 64


@settings(max_examples=4)
@given(
    size=sizes(2, high=6),
    channels=st.integers(1, 5),
    hidden=st.integers(1, 9),
    batch=st.integers(1, 2),
    random_seed=random_seeds(),
)
def test_any_shape_will_do(size, channels, hidden, batch, random_seed):
    automaton = one_net(channels, hidden, fire_rate=0.7)
    assert_same_future(automaton, state_of(automaton, batch, size, random_seed))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 1), (2, 2)])
def test_a_grid_narrower_than_a_neighbourhood_wraps(size):
    automaton = one_net(2, 3)
    assert_same_future(automaton, state_of(automaton, 2, size, 8))


def test_a_level_without_rules_gets_its_noise():
    layout = Layout([Level("body", 2), Level("idle", 3)])
    net = Net(RuleContext(layout, "body"), 4)
    automaton = Automaton(layout, {"body": [net]}, noise=Noise(0.1), fire_rate=0.5).to(DEVICE)
    assert_same_future(automaton, state_of(automaton, 1, (3, 4), 7))


def test_noise_in_training_only_rests_in_evaluation():
    automaton = one_net(2, 3, noise=Noise(0.1, when="training")).eval()
    assert_same_future(automaton, state_of(automaton, 1, (3, 3), 4))


def test_checkpoints_in_time_change_no_bit_of_states():
    automaton = one_net(2, 3, fire_rate=0.5)
    state = state_of(automaton, 1, (3, 4), 9)
    whole, gradients = end_and_gradients(automaton, state, True, steps=2)
    automaton.memory = ActivationMemory("recompute")
    again, others = end_and_gradients(automaton, state, True, steps=2)
    assert again == whole
    assert torch.equal(others["body"], gradients["body"])
    # those of weights are summed in another order
    assert all(apart(others[name], gradients[name]) < 1e-6 for name in gradients)


def test_only_asked_gradients_are_computed():
    automaton = three_levels()
    automaton.requires_grad_(False)
    state, ends = state_of(automaton, 1, (3, 3), 3), []
    for automaton.fused in (True, False):
        image = state["image"].clone().requires_grad_()
        end = automaton.step(state.replace({"image": image}))
        ends.append(torch.autograd.grad(end["low"].square().sum(), image)[0])
    assert apart(*ends) < NEAR


def test_reduced_products_are_near_and_not_the_same():
    automaton = one_net()
    assert_reduced_products_are_near(automaton, state_of(automaton, 2, (4, 4), 11))


@pytest.mark.skipif(DEVICE == "cuda", reason="steps on a GPU are fused unasked")
def test_a_state_on_the_host_takes_plain_steps_unless_told_otherwise():
    automaton = one_net(2, 3)
    state = state_of(automaton, 1, (3, 3), 1)
    ends = []
    for automaton.fused in (None, False):
        ends.append(automaton.step(state))
    assert ends[0] == ends[1]


def other_topology() -> Automaton:
    return one_net(topology=Topology(("torus", "zeros")))


def without_formula() -> Automaton:
    layout = Layout([Level("body", 2)])
    return Automaton(layout, {"body": [Net(RuleContext(layout, "body"), 3), Silent()]}).to(DEVICE)


def wide_kernel() -> Automaton:
    layout = Layout([Level("body", 2)])
    return Automaton(layout, {"body": [Net(RuleContext(layout, "body"), 3, side=5)]}).to(DEVICE)


@pytest.mark.parametrize(
    ("automaton", "change", "reason"),
    [
        (other_topology(), {}, "the grid is no torus"),
        (
            without_formula(),
            {},
            'rule 1 of level "body" (Silent) does not declare what it computes '
            "(UpdateRule.program)",
        ),
        (
            wide_kernel(),
            {},
            'rule 0 of level "body" (Net) has a kernel with the sides (5, 5), and not (3, 3)',
        ),
        (one_net(), {"dtype": torch.float64}, "the state holds float64, and not float32"),
        (one_net(), {"batch": 0}, "the state holds no sample"),
        (one_net(), {"size": (3,)}, "the grid has 1 axes, and not two"),
        (one_net(channels=129), {}, "a level has 129 channels, more than 128"),
        (Automaton(Layout([Level("body", 2)]), {}), {}, "it has no rules"),
    ],
)
def test_what_cannot_be_fused_says_why(automaton, change, reason):
    shape = {"batch": 2, "size": (3, 3), **change}
    state = automaton.layout.zeros(shape["batch"], shape["size"], dtype=change.get("dtype"))
    state = state.to(DEVICE)
    assert why_not_fused(automaton, state) == reason
    automaton.fused = True
    with pytest.raises(ShapeError) as refusal:
        automaton.rollout(state, 1)
    assert str(refusal.value) == (
        f"this automaton cannot take fused steps: {reason}.\n"
        "  where:  Automaton(..., fused=True)\n"
        "  to do:  leave `fused` at None, to take them wherever they are possible"
    )


def test_weights_that_do_not_fit_are_refused():
    automaton = one_net(2, 3, fused=True)
    automaton.rules_of("body")[0].last = torch.nn.Linear(3, 1).to(DEVICE)
    with pytest.raises(ShapeError) as refusal:
        automaton.step(state_of(automaton, 1, (3, 3), 0))
    assert str(refusal.value) == (
        'a program of level "body" has weights of shapes [(3, 2, 3, 3), (3,), (1, 3), (1,)].\n'
        "  where:  it reads 2 channels and writes 2, with 3 hidden units\n"
        "  to do:  return weights of shapes [(3, 2, 3, 3), (3,), (2, 3), (2,)] from the rule's "
        "`program()`"
    )


def test_what_can_be_fused_has_no_objection():
    automaton = one_net()
    assert why_not_fused(automaton, state_of(automaton, 1, (3, 3), 0)) is None


@pytest.mark.parametrize(("cells", "fits"), [(2**31 - 64, True), (2**31 - 63, False)])
def test_no_more_cells_are_fused_than_an_int32_counts(cells, fits):
    automaton = one_net(1, 3)
    state = State({"body": torch.zeros(1, device=DEVICE).expand(1, 1, cells, 1)})
    reason = None if fits else f"its samples have {cells} cells in all, more than 2147483584"
    assert why_not_fused(automaton, state) == reason


def test_products_of_another_type_are_not_fused():
    automaton = one_net()
    with torch.autocast(DEVICE, dtype=torch.float16):
        assert why_not_fused(automaton, state_of(automaton, 1, (3, 3), 0)) == (
            "autocast is to float16, and fused products are of bfloat16 or float32"
        )


def test_without_an_interpreter_the_host_is_no_place(monkeypatch):
    monkeypatch.setattr("nca.backends.fused.interpreted", lambda: False)
    automaton = one_net().to("cpu")
    state = automaton.seed(1, (3, 3))
    reason = "the state is on cpu, and Triton's programs run on CUDA devices"
    assert why_not_fused(automaton, state) == reason
