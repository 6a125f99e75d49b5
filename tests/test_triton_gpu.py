"""The fused step takes the plain step's place on a card; see `test_triton.py` for the host."""

from collections.abc import Iterator

import pytest
import torch
from fused_case import (
    apart,
    assert_reduced_products_are_near,
    assert_same_future,
    end_and_gradients,
    one_net,
    state_of,
    three_levels,
)

from nca import Alive, Automaton, Noise

pytest.importorskip("triton")
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


def test_a_gpu_takes_fused_steps_unasked():
    automaton = large()
    state = state_of(automaton, 2, (16, 16), 5)
    ends = []
    for automaton.fused in (None, True):
        ends.append(automaton.step(state))
    assert ends[0] == ends[1]
