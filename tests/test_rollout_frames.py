"""Frames: shown one after the other, while the cells carry on what they hold."""

import pytest
import torch
from simple import Add, Copy

from nca import Automaton, Layout, Level, ShapeError, State, rollout_frames

LAYOUT = Layout([Level("film", 1, input=True), Level("body", 1)])


def automaton(*rules) -> Automaton:
    return Automaton(LAYOUT, {"body": rules})


def still(value: float) -> torch.Tensor:
    return torch.full((1, 1, 2), value, dtype=torch.float64)


def shown(*values: float) -> list[dict[str, torch.Tensor]]:
    return [{"film": still(value)} for value in values]


START = State({"film": still(0.0), "body": still(100.0)})


def test_what_the_cells_hold_is_carried_from_frame_to_frame():
    states = rollout_frames(automaton(Copy("film")), START, shown(1.0, 10.0), steps=2)
    assert [state["body"].unique().item() for state in states] == [102.0, 122.0]
    assert [state["film"].unique().item() for state in states] == [1.0, 10.0]
    assert [state.step for state in states] == [2, 4]


def test_a_video_of_one_picture_is_a_rollout():
    rules = automaton(Copy("film"), Add(0.5))
    start = START.replace({"film": still(3.0)})
    *_, last = rollout_frames(rules, start, shown(3.0, 3.0, 3.0), steps=2)
    assert last == rules.rollout(start, 6)


def test_a_frame_cannot_be_shown_where_rules_write():
    with pytest.raises(ShapeError, match='cannot be shown on level "body": it holds no input'):
        rollout_frames(automaton(Add()), START, [{"body": still(1.0)}], steps=1)
