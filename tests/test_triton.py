"""The fused step takes the plain step's place: the same masks, nearly the same numbers.

Without a GPU, Triton interprets the programs on the host, slowly: grids are tiny here. An
interpreter accepts what a compiler refuses: see `test_triton_compile.py`.
"""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import random_seeds, sizes
from torch import Tensor

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
    UpdateRule,
    View,
    why_not_fused,
)
from nca.backends.fused import FusedStepper
from nca.engine.program import Correlation, DecayTerm, Layer, MLPTerm, Program, Squash

pytest.importorskip("triton")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NEAR = 1e-5


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """Let the plain step's convolutions be those of float32 on a GPU, too."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


class Net(UpdateRule):
    """A learned correlation of one level, relu, a change."""

    def __init__(
        self,
        place: RuleContext,
        hidden: int,
        reads: str = "own",
        bound: float | None = None,
        side: int = 3,
    ) -> None:
        super().__init__()
        self.reads = (reads,)
        read = place.level(reads).channels
        self.bound = bound
        self.first = torch.nn.Conv2d(read, hidden, side)
        self.last = torch.nn.Linear(hidden, place.own.channels)

    def program(self) -> Program:
        squash = Squash(self.bound) if self.bound else None
        sight = Correlation(self.reads[0], self.first.weight, self.first.bias, squash)
        last = Layer(self.last.weight, self.last.bias, "relu")
        return Program((MLPTerm((sight,), (last,)),))

    def forward(self, view: View) -> Tensor:
        level = view.level(self.reads[0])
        shown = self.bound * torch.tanh(level / self.bound) if self.bound else level
        hidden = torch.relu(view.correlate(shown, self.first.weight, self.first.bias))
        return self.last(hidden.movedim(1, -1)).movedim(-1, 1)


class Fade(UpdateRule):
    """Take a learned share of the level away."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(0.2))

    def program(self) -> Program:
        return Program((DecayTerm(self.rate),))

    def forward(self, view: View) -> Tensor:
        return -self.rate * view.own


class Silent(UpdateRule):
    """Say nothing of what it computes."""

    def forward(self, view: View) -> Tensor:
        return 0.1 * view.own


def one_net(channels: int = 5, hidden: int = 12, **settings: object) -> Automaton:
    layout = Layout([Level("body", channels)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(RuleContext(layout, "body"), hidden)
    return Automaton(layout, {"body": [net]}, **settings).to(DEVICE)


def three_levels(**settings: object) -> Automaton:
    """Return an input under two levels, with nets between all that are neighbours."""
    layout = Layout([Level("image", 2, input=True), Level("low", 4), Level("high", 3)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        low, high = RuleContext(layout, "low"), RuleContext(layout, "high")
        rules = {
            "low": [Net(low, 7, "below"), Net(low, 5), Net(low, 6, "above", 1.0), Fade()],
            "high": [Net(high, 9, "below", 1.0), Fade(), Fade()],
        }
    return Automaton(layout, rules, **settings).to(DEVICE)


def state_of(automaton: Automaton, batch: int, size: tuple[int, int], random_seed: int) -> State:
    empty = automaton.layout.zeros(batch, size, random_seed=random_seed)
    drawn = {
        name: empty.rng.normal(f"test/{name}", level.channels, size)
        for name, level in automaton.layout.items()
    }
    return empty.replace(drawn).to(DEVICE)


def end_and_gradients(
    automaton: Automaton, state: State, fused: bool, steps: int = 1
) -> tuple[State, dict[str, Tensor]]:
    """Return where a rollout ends, and the gradients of a weighted sum of it."""
    automaton.fused = fused
    first = state.map(lambda level: level.detach().clone().requires_grad_())
    end = automaton.rollout(first, steps)
    weights = state_of(automaton, state.batch, state.size(next(iter(state))), 99)
    loss = sum((end[name] * weights[name]).sum() for name in end)
    named = {**dict(first.levels), **dict(automaton.named_parameters())}
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return end.detach(), {n: g for n, g in zip(named, found, strict=True) if g is not None}


def apart(one: Tensor, other: Tensor) -> float:
    """Return how far two tensors are apart, as a share of the second."""
    assert one.shape == other.shape
    return ((one - other).norm() / other.norm().clamp(min=1e-30)).item()


def assert_same_future(
    automaton: Automaton, state: State, steps: int = 1, gradients_near: float = NEAR
) -> None:
    fused, gradients = end_and_gradients(automaton, state, True, steps)
    plain, wanted = end_and_gradients(automaton, state, False, steps)
    assert fused.step == plain.step
    assert set(gradients) == set(wanted)
    for name in plain:
        assert apart(fused[name], plain[name]) < NEAR, name
        # no cell moves that rests in the plain step, and none rests that moves
        moved = [(end[name] != state[name]).any(1) for end in (fused, plain)]
        assert torch.equal(*moved), name
    for name in wanted:
        assert apart(gradients[name], wanted[name]) < gradients_near, name


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


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_the_living_are_the_same_also_beyond_the_grid_and_beside_nan(radius):
    automaton = one_net(3, 4, alive=Alive("body", 1, 1.4, radius))
    state = state_of(automaton, 2, (3, 11), 12)
    state["body"][0, 1, 1, 4] = torch.nan
    living, wanted = (
        FusedStepper(automaton.spec, state).alive_mask(state),
        automaton.alive_mask(state),
    )
    assert wanted.any()
    assert not wanted.all()
    assert torch.equal(living, wanted)


def test_nets_of_all_levels_are_fused_together():
    automaton = three_levels(fire_rate=0.6)
    assert_same_future(automaton, state_of(automaton, 1, (4, 5), 5))


def test_a_hidden_layer_wider_than_a_program_and_many_channels():
    automaton = one_net(channels=20, hidden=70)
    assert_same_future(automaton, state_of(automaton, 1, (3, 3), 6))


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


def test_a_rollout_is_the_plain_rollout():
    automaton = one_net(2, 3, fire_rate=0.5)
    assert_same_future(automaton, state_of(automaton, 1, (3, 4), 9), steps=2)


def test_only_asked_gradients_are_computed():
    automaton = three_levels()
    automaton.requires_grad_(False)
    state, ends = state_of(automaton, 1, (3, 3), 3), []
    for automaton.fused in (True, False):
        image = state["image"].clone().requires_grad_()
        end = automaton.step(state.replace({"image": image}))
        ends.append(torch.autograd.grad(end["low"].square().sum(), image)[0])
    assert apart(*ends) < NEAR


def assert_reduced_products_are_near(automaton: Automaton, state: State) -> None:
    # on numbers that bfloat16 holds, rounding puts no hidden unit on the other side of relu's kink
    state = state.map(lambda level: level.bfloat16().float())
    with torch.no_grad():
        for weight in automaton.parameters():
            weight.copy_(weight.bfloat16())
    plain, wanted = end_and_gradients(automaton, state, False)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        fused, gradients = end_and_gradients(automaton, state, True)
    assert fused["body"].dtype == torch.float32
    assert 1e-5 < apart(fused["body"], plain["body"]) < 1e-2
    for name in wanted:
        assert apart(gradients[name], wanted[name]) < 1e-2, name


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


def large() -> Automaton:
    return one_net(16, 128, fire_rate=0.5, alive=Alive("body", 3, 0.1))


@pytest.mark.gpu
def test_a_realistic_step_on_a_gpu():
    automaton = large()
    # of five million hidden units one or two are so near relu's kink that rounding picks the slope
    assert_same_future(automaton, state_of(automaton, 8, (72, 71), 1), gradients_near=1e-3)
    automaton = three_levels(fire_rate=0.5, noise=Noise(0.1))
    assert_same_future(automaton, state_of(automaton, 8, (29, 28), 1), gradients_near=1e-3)


@pytest.mark.gpu
def test_a_rollout_of_20_steps_on_a_gpu():
    automaton = one_net(16, 128, fire_rate=0.5)
    with torch.no_grad():
        automaton.rules_of("body")[0].last.weight.mul_(0.1)
    state = state_of(automaton, 4, (64, 64), 2)
    fused, _ = end_and_gradients(automaton, state, True, steps=20)
    plain, _ = end_and_gradients(automaton, state, False, steps=20)
    assert apart(fused["body"], plain["body"]) < 1e-3


@pytest.mark.gpu
def test_reduced_products_on_a_gpu():
    automaton = one_net(16, 128, fire_rate=0.5)
    assert_reduced_products_are_near(automaton, state_of(automaton, 8, (72, 72), 3))


@pytest.mark.gpu
def test_the_same_bits_each_time_on_a_gpu():
    automaton = large()
    state = state_of(automaton, 8, (72, 72), 4)
    (one, gradients), (other, others) = (end_and_gradients(automaton, state, True) for _ in "ab")
    assert one == other
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)


@pytest.mark.gpu
def test_a_gpu_takes_fused_steps_unasked():
    automaton = large()
    state = state_of(automaton, 2, (16, 16), 5)
    ends = []
    for automaton.fused in (None, True):
        ends.append(automaton.step(state))
    assert ends[0] == ends[1]
