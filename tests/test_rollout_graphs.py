"""Recorded rollouts: powers of two steps, replayed for any seed, step, samples and weights.

Without a card a tape stands for CUDA graphs: it holds launches with what they were given, and
nothing of the Python between them.
"""

from collections.abc import Callable

import pytest
import torch
from fused_case import DEVICE, Net, attending, one_net, state_of
from torch import Tensor

from nca import Alive, Automaton, Layout, Level, Noise, RuleContext, State
from nca.backends.fused import FusedStepper
from nca.backends.triton.forward import ForwardLaunches
from nca.backends.triton.graphs import RolloutGraphs, powers
from nca.backends.triton.launch import Launch
from nca_plugins.glom.attention import Attention

pytest.importorskip("triton")

STEPS = 3


class Tape:
    """Records launches in place of a CUDA graph."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lengths: list[int] = []
        self.replays = 0
        self._patch, self._start = monkeypatch, Launch.__call__

    def __call__(self, launches: Callable[[], None]) -> Callable[[], None]:
        held: list[tuple[Launch, tuple[object, ...]]] = []
        with self._patch.context() as patch:
            patch.setattr(Launch, "__call__", lambda launch, *given: held.append((launch, given)))
            launches()
        self.lengths.append(len(held))

        def replay() -> None:
            self.replays += 1
            for launch, given in held:
                self._start(launch, *given)

        return replay


def cleared() -> Automaton:
    noise = Noise(0.1, kind="uniform")
    return one_net(3, 4, fire_rate=0.5, noise=noise, alive=Alive("body", 2, 0.5))


def mapped() -> Automaton:
    """Return a level that reads an input and, squashed, itself."""
    layout = Layout([Level("image", 1, input=True), Level("body", 2)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        place = RuleContext(layout, "body")
        rules = {"body": [Net(place, 3, "below"), Net(place, 4, "own", 1.0)]}
    return Automaton(layout, rules).to(DEVICE)


def sharper() -> Automaton:
    """Return a level whose cells attend to each other, more sharply with each step."""
    return attending(3, Attention(learned=True, rise=9), fire_rate=0.7)


def stepped(
    automaton: Automaton, state: State, graphs: RolloutGraphs | None, steps: int = STEPS
) -> State:
    stepper = FusedStepper(automaton.spec, state, graphs)
    return stepper.advance(stepper.prepare(state), steps, automaton.fire_rate)


def bits(
    automaton: Automaton, state: State, graphs: RolloutGraphs | None, steps: int = STEPS
) -> list[Tensor]:
    """Return the last levels, and the gradients of their squares."""
    first = state.map(lambda level: level.clone().requires_grad_())
    end = stepped(automaton, first, graphs, steps)
    loss = sum(level.square().sum() for level in end.values())
    given = [*first.values(), *automaton.parameters()]
    return [*end.detach().values(), *torch.autograd.grad(loss, given)]


def assert_same_bits(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("steps", "found"), [(1, [1]), (37, [32, 4, 1]), (64, [64]), (96, [64, 32]), (7, [4, 2, 1])]
)
def test_any_number_of_steps_is_a_sum_of_powers_of_two(steps, found):
    assert powers(steps) == found


@pytest.mark.parametrize(
    ("made", "ahead", "back", "once"),
    # a launch clears what the last step leaves, or squashes before the first and the last
    [(cleared, 1, 3, (1, 0)), (mapped, 1, 3, (1, 1)), (sharper, 1, 2, (0, 0))],
)
def test_what_is_recorded_serves_other_weights_seeds_steps_and_samples(
    made, ahead, back, once, monkeypatch
):
    tape = Tape(monkeypatch)
    automaton, graphs = made(), RolloutGraphs(tape)
    state = state_of(automaton, 2, (2, 3), 1)
    bits(automaton, state, graphs)
    assert not tape.lengths, "the first of its kind is launched step by step"
    bits(automaton, state, graphs)
    ahead_once, back_once = once
    assert tape.lengths == [
        *(2 * ahead + ahead_once, 2 * back + back_once),
        *(ahead + ahead_once, back + back_once),
    ]
    recorded, tape.replays = len(tape.lengths), 0
    with torch.no_grad():
        for weight in automaton.parameters():
            weight.mul_(1.25)
    other = state_of(automaton, 2, (2, 3), 2**40 + 7)
    other = other.replace(step=11, samples=other.samples + 5)
    assert_same_bits(bits(automaton, other, graphs), bits(automaton, other, None))
    assert len(tape.lengths) == recorded
    assert tape.replays == recorded


def test_a_rollout_without_gradient_is_recorded_apart(monkeypatch):
    tape = Tape(monkeypatch)
    automaton, graphs = cleared(), RolloutGraphs(tape)
    state = state_of(automaton, 1, (2, 2), 3)
    with torch.no_grad():
        ends = [stepped(automaton, state, graphs, 2) for _ in range(3)]
    assert ends[0] == ends[1] == ends[2]
    assert tape.lengths == [3]
    assert tape.replays == 2


def test_rollouts_that_wait_for_their_gradient_keep_what_is_theirs(monkeypatch):
    tape = Tape(monkeypatch)
    automaton, graphs = one_net(2, 3, fire_rate=0.5), RolloutGraphs(tape)
    state = state_of(automaton, 1, (2, 2), 4)

    def chained(graphs: RolloutGraphs | None) -> list[Tensor]:
        """Return gradients through two rollouts, asked for twice, another one in between."""
        first = state.map(lambda level: level.clone().requires_grad_())
        middle = stepped(automaton, first, graphs, 2)
        end = stepped(automaton, middle, graphs, 2)
        given = [*first.values(), *automaton.parameters()]
        loss = end["body"].square().sum()
        once = torch.autograd.grad(loss, given, retain_graph=True)
        bits(automaton, state.replace(step=9), graphs, 2)
        return [*once, *torch.autograd.grad(loss, given)]

    bits(automaton, state, graphs, 2)
    assert_same_bits(chained(graphs), chained(None))
    assert tape.replays >= 5
    assert len(tape.lengths) == 4, "two graphs, for two that wait at once"


def test_a_gradient_that_is_not_its_launches_is_given_up_with_a_warning(monkeypatch):
    tape = Tape(monkeypatch)

    def half(launches: Callable[[], None]) -> Callable[[], None]:
        return tape(launches) if isinstance(launches, ForwardLaunches) else lambda: None

    automaton, graphs = one_net(2, 3), RolloutGraphs(half)
    state = state_of(automaton, 1, (2, 2), 5)
    wanted = bits(automaton, state, graphs, 2)
    with pytest.warns(UserWarning, match="a replayed gradient has other bits than its launches"):
        assert_same_bits(bits(automaton, state, graphs, 2), wanted)


def test_what_cannot_be_recorded_is_launched_with_a_warning(monkeypatch):
    def fail(launches: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("out of graphs")

    def idle(launches: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    automaton = one_net(2, 3)
    state = state_of(automaton, 1, (2, 2), 5)
    wanted = stepped(automaton, state, None, 2)
    for record, why in ((fail, "RuntimeError: out of graphs"), (idle, "has other bits")):
        graphs = RolloutGraphs(record)
        stepped(automaton, state, graphs, 2)
        with pytest.warns(UserWarning, match=why):
            assert stepped(automaton, state, graphs, 2) == wanted
        assert stepped(automaton, state, graphs, 2) == wanted
