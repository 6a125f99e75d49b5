"""Settling: each sample stops where it stands still, and nobody waits for or disturbs another."""

import math
from itertools import pairwise

import pytest
import torch
from islands_case import blocks
from simple import Add, Scale, numbers, one_level
from torch.testing import assert_close

from nca import Automaton, Layout, Level, OptionError, State, settle
from nca.analysis import settling_time
from nca.engine.rollouts import at_rest, has_diverged, relative_change
from nca.evaluation.evaluate import evaluate
from nca.recipe.tables import Evaluate


def column(*values: float) -> State:
    """Return one sample of one cell for each value."""
    return State({"body": torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)})


def test_what_halves_each_step_never_stands_still_by_share():
    settled = settle(one_level(Scale(-0.5)), column(8.0), tolerance=0.1, at_most=3)
    assert numbers(settled.state) == [1.0]
    assert settled.steps.tolist() == [3]
    assert settled.converged.tolist() == [False]


def test_each_sample_stops_when_it_moves_less_than_the_tolerance():
    # 1 is added in every step: from v on, step n moves by 1 / (v + n) of what then is there
    settled = settle(one_level(Add(1.0)), column(0.0, 8.0, 100.0), tolerance=0.1001, at_most=50)
    assert settled.steps.tolist() == [10, 2, 1]
    assert numbers(settled.state) == [10.0, 10.0, 101.0]
    assert settled.converged.all()


def test_a_sample_alone_settles_as_it_does_in_company():
    automaton = one_level(Add(1.0))
    together = settle(automaton, column(0.0, 50.0), tolerance=0.05, at_most=99)
    alone = settle(automaton, column(0.0), tolerance=0.05, at_most=99)
    assert together.steps[0] == alone.steps[0] > together.steps[1]
    assert_close(together.state["body"][:1], alone.state["body"])


def test_an_empty_state_that_stays_empty_stands_still_at_once():
    settled = settle(one_level(Scale(0.5)), column(0.0), tolerance=1e-3, at_most=9)
    assert settled.steps.tolist() == [1]
    assert settled.converged.tolist() == [True]


def test_what_has_just_died_is_at_rest_a_step_later():
    settled = settle(one_level(Scale(-1.0)), column(8.0), tolerance=1e-3, at_most=9)
    assert settled.steps.tolist() == [2]
    assert settled.converged.tolist() == [True]


def test_what_leaves_the_finite_numbers_diverges_and_stops_there():
    # 1e200 grows by 1e50 in every step, and is infinite after the third; 0 stays 0
    settled = settle(one_level(Scale(1e50)), column(1e200, 0.0, 1.0), tolerance=0.1, at_most=5)
    assert settled.diverged.tolist() == [True, False, False]
    assert settled.converged.tolist() == [False, True, False]
    assert settled.steps.tolist() == [3, 1, 5]
    assert numbers(settled.state)[:2] == [math.inf, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_to_begin_with_has_diverged_before_any_step(value):
    settled = settle(one_level(Scale(0.0)), column(value, 1.0), tolerance=0.1, at_most=5)
    assert settled.steps.tolist() == [0, 1]
    assert settled.diverged.tolist() == [True, False]
    assert settled.converged.tolist() == [False, True]


def test_a_sample_converges_when_each_of_its_levels_does():
    layout = Layout([Level("small", 1), Level("large", 1)])
    automaton = Automaton(layout, {"small": [Add(1.0)]})
    large = torch.full((1, 1, 1), 1e6, dtype=torch.float64)
    state = State({"small": torch.zeros_like(large), "large": large})
    # beside the large level nothing seems to move, yet the small one rests after ten steps
    settled = settle(automaton, state, tolerance=0.1001, at_most=50)
    assert settled.steps.tolist() == [10]


def test_settling_is_what_islands_call_settled():
    automaton, state = one_level(Add(1.0)), column(0.0, 8.0, 100.0)
    states = automaton.trajectory(state, 20)
    changes = [relative_change(a["body"], b["body"]) for a, b in pairwise(states)]
    settled = settle(automaton, state, tolerance=0.07, at_most=20)
    assert settled.steps.tolist() == settling_time(torch.stack(changes, dim=1), 0.07).tolist()


def test_no_number_is_no_rest():
    changes = torch.tensor([0.0, 1e-4, 1e-3, math.inf, math.nan])
    assert at_rest(changes).tolist() == [True, True, False, False, False]


def test_a_sample_diverges_on_any_of_its_levels():
    state = State({"a": torch.zeros(3, 1, 2), "b": torch.zeros(3, 2, 4)})
    state["b"][1, 1, 3] = -math.inf
    state["a"][2, 0, 0] = math.nan
    assert has_diverged(state, ["a", "b"]).tolist() == [False, True, True]
    assert has_diverged(state, ["a"]).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("tolerance", "at_most", "what"),
    [(0.0, 5, "tolerance is 0.0"), (math.nan, 5, "tolerance is nan"), (0.1, 0, "at_most is 0")],
)
def test_a_bound_or_tolerance_that_cannot_be_is_refused(tolerance, at_most, what):
    with pytest.raises(OptionError, match=what):
        settle(one_level(Add()), column(1.0), tolerance=tolerance, at_most=at_most)


@pytest.mark.parametrize(
    ("gate", "settled", "diverged", "taken"), [(1.0, 1.0, 0.0, 3.0), (1e30, 0.0, 1.0, 2.0)]
)
def test_an_evaluation_by_settling_says_how_many_diverged(gate, settled, diverged, taken):
    trained = blocks(gate)
    table = Evaluate(steps="settle", at_most=9)
    (row,) = evaluate(trained.automaton, trained.task, split="test", steps="settle", table=table)
    assert row.samples == 12
    assert row.metrics == {
        "nothing": 0.0, "settled": settled, "diverged": diverged, "steps taken": taken
    }  # fmt: skip
