"""Settling: each sample stops where it stands still, and nobody waits for or disturbs another."""

import math

import pytest
import torch
from simple import Add, Scale, numbers, one_level
from torch.testing import assert_close

from nca import NCAError, State, settle
from nca.settling import speed


def column(*values: float) -> State:
    """Return one sample of one cell for each value."""
    return State({"body": torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)})


def test_what_halves_each_step_never_stands_still_by_share():
    settled = settle(one_level(Scale(-0.5)), column(8.0), tolerance=0.1, at_most=3)
    assert numbers(settled.state) == [1.0]
    assert settled.steps.tolist() == [3]
    assert settled.still.tolist() == [False]


def test_each_sample_stops_when_it_moves_less_than_the_tolerance():
    # 1 is added in every step: from v on, step n moves by 1 / (v + n) of what then is there
    settled = settle(one_level(Add(1.0)), column(0.0, 8.0, 100.0), tolerance=0.1001, at_most=50)
    assert settled.steps.tolist() == [10, 2, 1]
    assert numbers(settled.state) == [10.0, 10.0, 101.0]
    assert settled.still.all()


def test_a_sample_alone_settles_as_it_does_in_company():
    automaton = one_level(Add(1.0))
    together = settle(automaton, column(0.0, 50.0), tolerance=0.05, at_most=99)
    alone = settle(automaton, column(0.0), tolerance=0.05, at_most=99)
    assert together.steps[0] == alone.steps[0] > together.steps[1]
    assert_close(together.state["body"][:1], alone.state["body"])


def test_an_empty_state_that_stays_empty_stands_still_at_once():
    settled = settle(one_level(Scale(0.5)), column(0.0), tolerance=1e-3, at_most=9)
    assert settled.steps.tolist() == [1]
    assert settled.still.tolist() == [True]


def test_speed_is_the_share_of_a_state_that_a_step_changes():
    assert speed(column(3.0), column(4.0), ["body"]).tolist() == [0.25]
    assert speed(column(0.0), column(0.0), ["body"]).tolist() == [0.0]
    assert math.isinf(speed(column(1.0), column(0.0), ["body"]).item())


@pytest.mark.parametrize(("tolerance", "at_most"), [(0.0, 5), (-1.0, 5), (0.1, 0)])
def test_a_bound_or_tolerance_that_cannot_be_is_refused(tolerance, at_most):
    with pytest.raises(NCAError, match=f"tolerance {tolerance} and the bound {at_most}"):
        settle(one_level(Add()), column(1.0), tolerance=tolerance, at_most=at_most)
