"""The passing of time: rollouts, trajectories and skip connections, against slow references."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from simple import Add, Scale, numbers, one_level, row
from torch.testing import assert_close

from nca import Automaton, Layout, Level, Noise, Skip, State


@st.composite
def skips(draw: st.DrawFn) -> Skip:
    every, weight = draw(st.integers(1, 5)), draw(st.sampled_from([0.1, 0.5, -0.25]))
    return Skip(every, weight, keep_gain=draw(st.booleans()), at_end=draw(st.booleans()))


def slow(state: float, steps: int, skips: list[Skip]) -> tuple[float, float]:
    """Return the last state of a cell that grows by a half and one each step, and its end."""
    remembered = [state] * len(skips)
    for step in range(steps):
        state += 0.5 * state + 1
        for i, skip in enumerate(skips):
            if step % skip.every == 0:
                state += skip.weight * remembered[i]
                if skip.keep_gain:
                    state /= 1 + skip.weight
                remembered[i] = state
    end = state
    for i, skip in enumerate(skips):
        if skip.at_end and steps:
            end += skip.weight * remembered[i]
            if skip.keep_gain:
                end /= 1 + skip.weight
    return state, end


@given(steps=st.integers(0, 9), skips=st.lists(skips(), max_size=3))
def test_skip_connections_follow_a_slow_reference(steps, skips):
    automaton = one_level(Scale(0.5), Add(1.0), skips=skips)
    after = automaton.rollout(row(3.0), steps)
    state, end = slow(3.0, steps, skips)
    assert numbers(after) == pytest.approx([state])
    assert numbers(automaton.finish(after)) == pytest.approx([end])


def test_the_seed_schedule_multiplies_a_resting_level_as_its_author_found():
    # GLOM's first implementation: periods 15, 7 and 3, a tenth each, for 30 steps
    automaton = one_level(
        Add(0.0), skips=[Skip(n, 0.1, keep_gain=False, at_end=True) for n in (15, 7, 3)]
    )
    first, last = automaton.step(row(1.0)), automaton.rollout(row(1.0), 30)
    assert numbers(first) == pytest.approx([1.30], abs=5e-3)
    assert numbers(last) == pytest.approx([4.25], abs=5e-3)
    assert numbers(automaton.finish(last)) == pytest.approx([5.305], abs=5e-3)


def test_a_skip_that_keeps_the_gain_leaves_a_resting_level_at_rest():
    automaton = one_level(Add(0.0), skips=[Skip(1, 0.3, at_end=True)])
    after = automaton.finish(automaton.rollout(row(1.0, -2.0), 5))
    assert numbers(after) == pytest.approx([1.0, -2.0])


def test_a_skip_takes_part_on_the_levels_that_it_names():
    layout = Layout([Level("a", 1), Level("b", 1)])
    automaton = Automaton(layout, {}, skips=[Skip(1, 1.0, levels=("b",), keep_gain=False)])
    state = State({"a": torch.ones(1, 1, 2), "b": torch.ones(1, 1, 2)})
    after = automaton.step(state)
    assert (numbers(after, "a"), numbers(after, "b")) == ([1, 1], [2, 2])
    assert [list(old) for old in after.remembered] == [["b"]]


def test_without_anything_remembered_there_is_nothing_to_finish():
    automaton = one_level(Add(), skips=[Skip(1, 0.1, at_end=True)])
    state = row(1.0)
    assert automaton.finish(state) is state


def test_a_state_without_skips_remembers_nothing():
    assert one_level(Add()).rollout(row(1.0), 3).remembered == ()


def test_a_rollout_is_so_many_steps():
    automaton = one_level(Scale(0.5), Add(), fire_rate=0.5, noise=Noise(0.1))
    state = row(*range(9))
    by_hand = automaton.step(automaton.step(automaton.step(state)))
    assert_close(automaton.rollout(state, 3)["body"], by_hand["body"], rtol=0, atol=0)
    assert automaton.rollout(state, 3).step == by_hand.step == 3
    assert automaton.rollout(state, 0) == state


@pytest.mark.parametrize(
    ("steps", "every", "kept"),
    [(6, 2, [0, 2, 4, 6]), (5, 2, [0, 2, 4, 5]), (3, 9, [0, 3]), (3, 1, [0, 1, 2, 3]), (0, 1, [0])],
)
def test_a_trajectory_keeps_the_first_the_last_and_every_so_many(steps, every, kept):
    states = one_level(Add()).trajectory(row(10.0), steps, every)
    assert [state.step for state in states] == kept
    assert [numbers(state) for state in states] == [[10 + step] for step in kept]


def test_a_trajectory_ends_where_the_rollout_does():
    automaton = one_level(Scale(0.1), fire_rate=0.5, skips=[Skip(2, 0.1)])
    state = row(*range(9))
    last = automaton.trajectory(state, 7, 3, fire_rate=0.25)[-1]
    assert_close(last["body"], automaton.rollout(state, 7, fire_rate=0.25)["body"])


def test_a_seed_state_has_the_dtype_and_number_that_are_asked_for():
    state = one_level(Add(), channels=3).seed(2, (4, 5), random_seed=9)
    assert state["body"].shape == (2, 3, 4, 5)
    assert state["body"].dtype == torch.float64
    assert (state.random_seed, state.step, state.samples.tolist()) == (9, 0, [0, 1])


def test_a_compiled_step_takes_the_same_steps_in_one_graph():
    automaton = one_level(Scale(0.1), Add(), fire_rate=0.5, noise=Noise(0.1), skips=[Skip(2, 0.1)])
    compiled = torch.compile(automaton.step, backend="eager", fullgraph=True)
    state = other = row(*range(9))
    with torch.no_grad():
        for _ in range(5):
            state, other = compiled(state), automaton.step(other)
    assert state.step == 5
    assert_close(state["body"], other["body"], rtol=0, atol=0)
