"""What a rollout keeps for its gradient: how often each step is taken, and with what outcome."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from simple import Add, Scale, numbers, one_level, row
from strategies import memories, normal
from torch import Tensor, nn
from torch.testing import assert_close

from nca import ActivationMemory, Alive, OptionError, RuleContext, UpdateRule, View, per_cell
from nca.training.probe import peak

CPU = torch.device("cpu")


class Counts(UpdateRule):
    """Note each step that is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[int] = []
        self.weight = nn.Parameter(torch.tensor(0.1, dtype=torch.float64))

    def forward(self, view: View) -> Tensor:
        self.taken.append(view.step)
        return (self.weight * view.own).tanh()


class Thinks(UpdateRule):
    """A hidden layer much wider than the level, whose weights autocast rounds."""

    def __init__(self, place: RuleContext, hidden: int = 64) -> None:
        super().__init__()
        self.hidden = nn.Linear(place.own.channels, hidden)
        self.change = nn.Linear(hidden, place.own.channels)

    def forward(self, view: View) -> Tensor:
        return 0.1 * per_cell(self.change, per_cell(self.hidden, view.own).tanh())


def taken(memory: ActivationMemory, steps: int) -> list[int]:
    rule = Counts()
    one_level(rule, memory=memory).rollout(row(1.0, 2.0), steps)["body"].sum().backward()
    return rule.taken


def test_everything_is_computed_once_where_everything_is_kept():
    assert taken(ActivationMemory("store"), 4) == [0, 1, 2, 3]
    assert taken(ActivationMemory(), 4) == [0, 1, 2, 3]


def test_each_step_is_computed_again_where_states_are_kept():
    assert taken(ActivationMemory("recompute"), 4) == [0, 1, 2, 3, 3, 2, 1, 0]


def test_a_segment_is_walked_forth_again_before_it_is_walked_back():
    # its last step is not needed on the way forth, and the last segment is walked back at once
    forth, last, middle, first = [0, 1, 2, 3, 4, 5, 6, 7], [7, 6], [3, 4, 5, 4, 3], [0, 1, 2, 1, 0]
    assert taken(ActivationMemory("segments", 3), 8) == forth + last + middle + first


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 9, 10, 96, 1000])
def test_without_a_length_segments_are_as_long_as_there_are_segments(steps):
    stride = ActivationMemory("segments").stride(steps)
    assert stride == math.ceil(math.sqrt(steps))
    assert abs(stride - math.ceil(steps / stride)) <= 1


def test_where_no_gradient_is_wanted_nothing_is_kept_or_computed_again():
    rule = Counts()
    with torch.no_grad():
        one_level(rule, memory=ActivationMemory("recompute")).rollout(row(1.0), 3)
    assert rule.taken == [0, 1, 2]


@given(memory=memories(), steps=st.integers(0, 12))
def test_a_rollout_ends_where_it_does_without_memory(memory, steps):
    automaton = one_level(Scale(0.5), Add(), memory=memory)
    assert numbers(automaton.rollout(row(3.0), steps)) == numbers(
        one_level(Scale(0.5), Add()).rollout(row(3.0), steps)
    )


def learned(memory: ActivationMemory, reduced: bool) -> list[Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        automaton = one_level(
            *(Thinks(RuleContext(one_level(channels=4).layout, "body", 2)) for _ in range(2)),
            channels=4,
            fire_rate=0.5,
            alive=Alive("body", 0, -0.5),
            memory=memory,
        )
    state = automaton.seed(3, (9, 8), random_seed=1)
    state = state.replace({"body": normal((3, 4, 9, 8), 1).float()})
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        states = [automaton.rollout(state, 9)]
        states.append(automaton.rollout(states[0], 1))
        loss = sum(state["body"].square().mean() for state in states)
    return list(torch.autograd.grad(loss, list(automaton.parameters())))


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("every", [None, 2, 4, 9])
def test_gradients_have_the_same_bits_in_every_mode(every, reduced):
    stored = learned(ActivationMemory("store"), reduced)
    assert all(gradient.any() for gradient in stored)
    for memory in (ActivationMemory("recompute"), ActivationMemory("segments", every)):
        assert_close(learned(memory, reduced), stored, rtol=0, atol=0)


def test_the_less_is_kept_the_lower_is_the_peak():
    layout = one_level(channels=4).layout
    state = layout.zeros(2, (16, 16))
    size = state["body"].nbytes

    def need(memory: ActivationMemory, steps: int) -> float:
        automaton = one_level(Thinks(RuleContext(layout, "body", 2)), channels=4, memory=memory)
        return peak(lambda: automaton.rollout(state, steps)["body"].sum().backward(), CPU) / size

    assert (
        need(ActivationMemory("store"), 32) - need(ActivationMemory("store"), 16) > 16 * 16
    )  # the hidden layer
    states = need(ActivationMemory("recompute"), 32) - need(ActivationMemory("recompute"), 16)
    assert states == pytest.approx(16, abs=0.1)  # and a few counters
    # of 36 steps 6 of 6 are kept at a time, of 16 steps 4 of 4
    states = need(ActivationMemory("segments"), 36) - need(ActivationMemory("segments"), 16)
    assert states == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize(
    ("memory", "to_do"),
    [
        (("segments", 0), "expected: whole number, at least 1"),
        (("store", 3), 'only segments have a length: { mode = "segments", every = 8 }'),
    ],
)
def test_segments_that_are_none_are_refused(memory, to_do):
    with pytest.raises(OptionError) as fault:
        ActivationMemory(*memory)
    assert (fault.value.what, fault.value.to_do) == (f"every is {memory[1]}.", to_do)
