"""The fused step takes the plain step's place on a card; see `test_triton.py` for the host."""

from collections.abc import Callable, Iterator

import pytest
import torch
from fused_case import (
    DEVICE,
    apart,
    assert_reduced_products_are_near,
    assert_same_future,
    attending,
    end_and_gradients,
    layered,
    one_net,
    state_of,
    three_levels,
)
from gpu_measure import KINDS, memory_of_nan, waits_are

from nca import SILENT, Alive, Automaton, Noise, State
from nca.backends.fused import FusedStepper
from nca.backends.triton import RolloutGraphs
from nca.backends.triton.graphs import record_graph
from nca.checkpoint.read import read_recipe
from nca.training.gradient_descent import GradientDescent
from nca.training.learner import Learner

triton = pytest.importorskip("triton")
pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """Let the plain step's convolutions be those of float32."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def large() -> Automaton:
    return one_net(16, 128, fire_rate=0.5, alive=Alive("body", 3, 0.1))


def test_a_realistic_step_on_a_gpu():
    automaton = large()
    # of five million hidden units one or two are so near relu's kink that rounding picks the slope
    assert_same_future(automaton, state_of(automaton, 8, (72, 71), 1), gradients_near=1e-3)
    automaton = three_levels(fire_rate=0.5, noise=Noise(0.1))
    assert_same_future(automaton, state_of(automaton, 8, (29, 28), 1), gradients_near=1e-3)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh", "sine"])
@pytest.mark.parametrize(("hidden", "stencils"), [((128,), True), ((80, 80), False)])
def test_hidden_layers_of_any_activation_on_a_gpu(hidden, stencils, activation):
    automaton = layered(
        16, hidden, activation, stencils, fire_rate=0.5, alive=Alive("body", 3, 0.1)
    )
    assert_same_future(automaton, state_of(automaton, 4, (41, 40), 1), gradients_near=1e-3)


def test_attention_on_a_gpu():
    automaton = attending(16, fire_rate=0.5, alive=Alive("body", 3, 0.1))
    # the gradient of sharpness is small beside the numbers that it sums up
    assert_same_future(automaton, state_of(automaton, 8, (29, 28), 1), gradients_near=1e-3)


def test_a_rollout_of_20_steps_on_a_gpu():
    automaton = one_net(16, 128, fire_rate=0.5)
    with torch.no_grad():
        automaton.rules_of("body")[0].last.weight.mul_(0.1)
    state = state_of(automaton, 4, (64, 64), 2)
    fused, _ = end_and_gradients(automaton, state, True, steps=20)
    plain, _ = end_and_gradients(automaton, state, False, steps=20)
    assert apart(fused["body"], plain["body"]) < 1e-3


def test_reduced_products_on_a_gpu():
    automaton = one_net(16, 128, fire_rate=0.5)
    assert_reduced_products_are_near(automaton, state_of(automaton, 8, (72, 72), 3))


def test_the_same_bits_each_time_on_a_gpu():
    automaton = large()
    state = state_of(automaton, 8, (72, 72), 4)
    (one, gradients), (other, others) = (end_and_gradients(automaton, state, True) for _ in "ab")
    assert one == other
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (23, 19), (67, 33)])
@pytest.mark.parametrize("kind", KINDS)
def test_what_memory_held_before_is_in_no_state_and_no_gradient_on_a_gpu(kind, size, reduced):
    state = state_of(KINDS[kind](), 3, size, 7)
    with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=reduced):
        wanted, others = end_and_gradients(KINDS[kind](), state, True, 3)
        with memory_of_nan():
            assert torch.empty(3, device=DEVICE).isnan().all(), "nothing was tested"
            end, gradients = end_and_gradients(KINDS[kind](), state, True, 3)
    assert all(tensor.isfinite().all() for tensor in (*end.values(), *gradients.values()))
    assert end == wanted
    assert all(torch.equal(gradients[name], others[name]) for name in others)


def test_a_gpu_takes_fused_steps_unasked():
    automaton = large()
    state = state_of(automaton, 2, (16, 16), 5)
    ends = []
    for automaton.fused in (None, True):
        ends.append(automaton.step(state))
    assert ends[0] == ends[1]


def bits(automaton: Automaton, state: State, graphs: RolloutGraphs | None, steps: int) -> list:
    """Return the last levels, and the gradients of their squares."""
    first = state.map(lambda level: level.clone().requires_grad_())
    stepper = FusedStepper(automaton.spec, first, graphs)
    end = stepper.advance(stepper.prepare(first), steps, automaton.fire_rate)
    loss = torch.stack([level.square().sum() for level in end.values()]).sum()
    given = [*first.values(), *automaton.parameters()]
    return [*end.detach().values(), *torch.autograd.grad(loss, given)]


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize(
    "made",
    [
        large,
        lambda: three_levels(fire_rate=0.5, noise=Noise(0.1)),
        lambda: layered(16, (80, 80), "gelu", False, fire_rate=0.5),
        lambda: attending(16),
    ],
    ids=["large", "levels", "deep", "attending"],
)
def test_replayed_graphs_have_the_bits_of_their_launches_on_a_gpu(made, reduced):
    recorded = []

    def record(launches: Callable[[], None]) -> Callable[[], object]:
        recorded.append(launches)
        return record_graph(launches)

    automaton, graphs = made(), RolloutGraphs(record)
    with torch.no_grad():
        for weight in automaton.parameters():
            weight.mul_(0.3)
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=reduced):
        for turn, steps in enumerate((7, 7, 5, 7, 6)):
            state = state_of(automaton, 3, (23, 18), turn).replace(step=17 * turn)
            ours, theirs = (bits(automaton, state, kept, steps) for kept in (graphs, None))
            assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)), (turn, steps)
            with torch.no_grad():
                for weight in automaton.parameters():
                    weight.mul_(1.1)
    assert len(recorded) == 6, "4, 2 and 1 steps, forward and back"


def test_an_automaton_replays_its_rollouts_on_a_gpu():
    automaton = one_net(16, 32, fire_rate=0.5)
    state = state_of(automaton, 2, (16, 16), 5)
    with torch.no_grad():
        ends = [automaton.rollout(state, 5) for _ in range(3)]
    assert ends[0] == ends[1] == ends[2]
    assert any(automaton._rollout_graphs._kinds.values())


def test_nothing_waits_for_a_gpu_in_a_rollout_and_its_gradient():
    automaton = large()
    state = state_of(automaton, 2, (16, 16), 6)
    for _ in range(2):  # what is compiled, checked and recorded is so
        end_and_gradients(automaton, state, True, 5)
    first = state.map(lambda level: level.clone().requires_grad_())
    with waits_are("error"):
        automaton.rollout(first, 5)["body"].square().sum().backward()
    assert first["body"].grad is not None


def training(*overrides: str) -> Callable[[], torch.Tensor]:
    """Return an iteration of training with random steps, which returns the loss."""
    recipe = read_recipe("growing_conditional", overrides)
    learner = Learner.build(recipe, torch.device(DEVICE), None, SILENT)
    descent = GradientDescent(learner)

    def iterate() -> torch.Tensor:
        update = descent.look()
        descent.move(update)
        learner.iteration += 1
        return update.loss

    return iterate


def test_nothing_waits_for_a_gpu_in_an_iteration_of_training():
    iterate = training()
    for _ in range(3):  # what is compiled, checked and recorded is so
        iterate()
    with waits_are("error"):
        loss = iterate()
    assert loss.isfinite()


def test_no_program_is_compiled_after_the_first_iteration_of_training_on_a_gpu(monkeypatch):
    compiled: list[str] = []
    hook = "jit_post_compile_hook"
    monkeypatch.setattr(triton.knobs.runtime, hook, lambda **each: compiled.append(each["repr"]))
    # of a size that no other test has compiled
    iterate = training("levels.body.rules.0.hidden=40", "rollout.steps=[3, 40]")
    iterate()
    first = len(compiled)
    for _ in range(9):
        iterate()
    assert compiled, "nothing was compiled, so nothing was tested"
    assert compiled[first:] == []
