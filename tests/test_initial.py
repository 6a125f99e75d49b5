"""First states: zeros, counted randomness, or a learned vector for each level."""

import torch
from torch.testing import assert_close

from nca import InitialState, InitialStateSpec, Layout, Level, State

LAYOUT = Layout([Level("image", 1, input=True), Level("low", 2), Level("high", 3)])


def empty(batch: int = 4, random_seed: int = 1) -> State:
    return LAYOUT.zeros(batch, (5, 6), random_seed=random_seed)


def test_zeros_stay_zeros():
    assert InitialState(LAYOUT, InitialStateSpec())(empty()) == empty()


def test_uniform_numbers_fill_all_levels_but_the_input_up_to_the_scale():
    state = InitialState(LAYOUT, InitialStateSpec("uniform", 0.5))(empty(64))
    assert not state["image"].any()
    for name in ("low", "high"):
        assert 0 <= state[name].min() < 0.01
        assert 0.49 < state[name].max() < 0.5
        assert abs(state[name].mean() - 0.25) < 0.01


def test_only_the_named_levels_are_filled():
    state = InitialState(LAYOUT, InitialStateSpec("uniform", 0.5), ["high"])(empty())
    assert not state["low"].any()
    assert state["high"].any()


def test_a_learned_vector_is_the_same_for_all_cells_and_gets_gradient():
    first = InitialState(LAYOUT, InitialStateSpec("learned"))
    with torch.no_grad():
        first.vectors["low"].copy_(torch.tensor([1.0, -2.0]))
    state = first(empty())
    assert_close(state["low"], torch.tensor([1.0, -2.0]).view(1, 2, 1, 1).expand(4, 2, 5, 6))
    state["high"].sum().backward()
    assert_close(first.vectors["high"].grad, torch.full((3,), 4.0 * 5 * 6))


def test_noise_around_a_learned_vector_has_its_scale_and_its_sample():
    first = InitialState(LAYOUT, InitialStateSpec("learned", 0.1))
    state = first(empty(64))
    assert abs(state["low"].std() - 0.1) < 0.005
    one = first(empty(1).replace(samples=torch.tensor([7])))
    assert_close(one["low"][0], state["low"][7])
