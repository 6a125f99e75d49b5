"""A fused rollout is one operation: the states of its steps one by one, and their gradients."""

from collections import Counter
from copy import deepcopy

import pytest
import torch
from fused_case import DEVICE, Net, apart, end_and_gradients, one_net, state_of, three_levels

from nca import ActivationMemory, Alive, Automaton, Layout, Level, Noise, RuleContext, Skip, State
from nca.backends.fused import FusedStepper
from nca.backends.triton.launch import Launch

pytest.importorskip("triton")

STEPS = 3


def two_levels(**settings: object) -> Automaton:
    """Return levels that read each other and an input, one that idles, all without maps."""
    layout = Layout(
        [Level("image", 2, input=True), Level("low", 3), Level("high", 4), Level("idle", 1)]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        low, high = RuleContext(layout, "low"), RuleContext(layout, "high")
        rules = {
            "low": [Net(low, 5, "below"), Net(low, 4, "above")],
            "high": [Net(high, 3, "below")],
        }
    return Automaton(layout, rules, **settings).to(DEVICE)


def squashed() -> Automaton:
    """Return a level that reads itself squashed, and whose dead are cleared."""
    layout = Layout([Level("body", 4)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(RuleContext(layout, "body"), 6, bound=0.8)
    return Automaton(layout, {"body": [net]}, alive=Alive("body", 3, 0.8)).to(DEVICE)


CASES = {
    "squashed": squashed,
    "cleared": lambda: one_net(
        4, 6, fire_rate=0.5, alive=Alive("body", 3, 0.8), noise=Noise(0.1), step_size=0.7
    ),
    "own": lambda: one_net(4, 6, fire_rate=0.5, alive=Alive("body", 2, 0.3, 0)),
    "far": lambda: one_net(4, 6, alive=Alive("body", 3, 1.2, 2)),
    "frozen": lambda: one_net(4, 6, alive=Alive("body", 0, 0.9, 0, dead="frozen")),
    "levels": lambda: two_levels(fire_rate=0.6, alive=Alive("image", 1, 0.9)),
    "maps": lambda: three_levels(fire_rate=0.7),
    "skips": lambda: one_net(3, 4, skips=[Skip(every=2, weight=0.5)]),
}


@pytest.fixture(params=CASES)
def automaton(request) -> Automaton:
    return CASES[request.param]()


def one_by_one(automaton: Automaton, state: State) -> State:
    """Return where single fused steps end."""
    stepper = FusedStepper(automaton.spec, state)
    state = stepper.prepare(state)
    for _ in range(STEPS):
        state = stepper.step(state, automaton.fire_rate)
    return state


def test_a_rollout_has_the_bits_of_its_steps_and_the_gradient_of_float64(automaton):
    state = state_of(automaton, 2, (3, 5), 2**40 + 5)
    end, gradients = end_and_gradients(automaton, state, True, STEPS)
    with torch.no_grad():
        assert end == one_by_one(automaton, state)
    assert end.step == STEPS
    exact = deepcopy(automaton).double()
    wanted, exactly = end_and_gradients(exact, state.to(torch.float64), False, STEPS)
    for name in wanted:
        assert apart(end[name], wanted[name]) < 1e-5, name
    assert set(gradients) == set(exactly)
    for name in exactly:
        assert apart(gradients[name].double(), exactly[name]) < 1e-5, name


@pytest.mark.parametrize("case", ["cleared", "own", "far", "squashed"])
def test_what_a_rollout_keeps_changes_no_bit_of_states(case):
    automaton = CASES[case]()
    state = state_of(automaton, 1, (3, 4), 9)
    whole, gradients = end_and_gradients(automaton, state, True, STEPS)
    with torch.no_grad():
        assert automaton.rollout(state, STEPS) == whole
    automaton.memory = ActivationMemory("segments", every=2)
    again, others = end_and_gradients(automaton, state, True, STEPS)
    assert again == whole
    # sums over cells are the same; those over steps are taken in another order
    assert torch.equal(others["body"], gradients["body"])
    assert all(apart(others[name], gradients[name]) < 1e-6 for name in gradients)


@pytest.mark.parametrize("case", ["cleared", "own", "far", "squashed"])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 2), (3, 1)])
def test_the_dead_are_cleared_on_grids_smaller_than_a_neighbourhood(case, size):
    automaton = CASES[case]()
    state = state_of(automaton, 12, size, 6)
    end, gradients = end_and_gradients(automaton, state, True, STEPS)
    wanted, exactly = end_and_gradients(automaton, state, False, STEPS)
    assert 0 < int((wanted["body"] == 0).all(dim=1).sum()) < 12 * size[0] * size[1]
    assert apart(end["body"], wanted["body"]) < 1e-5
    assert all(apart(gradients[name], exactly[name]) < 1e-5 for name in exactly)


@pytest.mark.parametrize(("case", "cleared"), [("cleared", 1), ("own", 1), ("far", 4)])
def test_a_step_is_a_launch_and_its_gradient_three(case, cleared, monkeypatch):
    started: Counter[str] = Counter()
    start = Launch.__call__

    def counted(launch: Launch, *given: object) -> None:
        started[launch.program.__name__] += 1
        start(launch, *given)

    monkeypatch.setattr(Launch, "__call__", counted)
    automaton = CASES[case]()
    automaton.fused = True
    end = automaton.rollout(state_of(automaton, 1, (2, 2), 0), 4)
    assert started == {"step_levels": 4, "clear_dead": cleared}
    started.clear()
    end["body"].sum().backward()
    # no gradient is asked for before the first step
    assert started == {"hidden_gradients": 4, "first_gradients": 4, "field_gradients": 3}


def test_gradients_are_asked_for_twice_and_of_some_fields_alone():
    automaton = two_levels()
    automaton.requires_grad_(False)
    automaton.fused = True
    state = state_of(automaton, 1, (3, 3), 4)
    image = state["image"].clone().requires_grad_()
    first = state.replace({"image": image})
    end = automaton.rollout(first, 2)
    assert end["high"].requires_grad
    assert not end["idle"].requires_grad
    loss = end["high"].square().sum()
    once, again = (torch.autograd.grad(loss, image, retain_graph=True)[0] for _ in "ab")
    assert torch.equal(once, again)
    automaton.fused = False
    plain = automaton.rollout(first, 2)["high"].square().sum()
    assert apart(once, torch.autograd.grad(plain, image)[0]) < 1e-5


def test_a_rollout_begins_anywhere_in_memory():
    automaton = one_net(3, 4, fire_rate=0.5)
    state = state_of(automaton, 3, (3, 3), 6)
    odd = state.select(slice(1, 3))
    assert odd["body"].data_ptr() % 16
    assert odd.samples.data_ptr() % 16
    # the same in memory of its own; numpy rounds a row by where it stands in an interpreted tile
    even = odd.map(torch.clone).replace(samples=odd.samples.clone())
    assert not even["body"].data_ptr() % 16
    automaton.fused = True
    assert automaton.rollout(odd, 2) == automaton.rollout(even, 2)
    apart_from_all = automaton.rollout(state, 2).select(slice(1, 3))["body"]
    assert apart(automaton.rollout(odd, 2)["body"], apart_from_all) < 1e-6


def test_no_step_is_no_operation():
    automaton = one_net(2, 3, fused=True)
    state = state_of(automaton, 1, (2, 2), 0)
    assert automaton.rollout(state, 0) == state
