"""Losses: one number for each sample, worked by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from nca import State, losses

VALUES = torch.tensor([[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 8.0]]])
MASK = torch.tensor([[[True, False], [True, False]], [[False, False], [False, False]]])


def test_a_mean_counts_the_cells_of_the_mask():
    assert losses.masked_mean(VALUES, None).tolist() == [3, 2]
    assert losses.masked_mean(VALUES, MASK).tolist() == [2, 0]


def test_cross_entropy_is_the_mean_over_counted_cells():
    # two classes: scores (0, 0) cost log 2, and (0, log 3) cost log 4 or log 4/3
    scores = torch.tensor([[[0.0, 0.0], [0.0, math.log(3)]]]).repeat(2, 1, 1)  # (B, K, W)
    labels = torch.tensor([0, 1])
    costs = [[math.log(2), math.log(4)], [math.log(2), math.log(4 / 3)]]
    assert losses.cross_entropy(scores, labels).tolist() == pytest.approx(
        [sum(row) / 2 for row in costs]
    )
    mask = torch.tensor([[False, True], [True, False]])
    assert losses.cross_entropy(scores, labels, mask).tolist() == pytest.approx(
        [math.log(4), math.log(2)]
    )
    # half of the target is that of the label, a quarter that of each class
    assert losses.cross_entropy(scores, labels, label_smoothing=0.5)[0].item() == pytest.approx(
        (math.log(2) + 0.75 * math.log(4) + 0.25 * math.log(4 / 3)) / 2
    )


def test_one_hot_error_is_the_squared_distance_of_every_cell():
    scores = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])  # (B, K, W)
    labels = torch.tensor([0])
    assert losses.one_hot_error(scores, labels).tolist() == [[0, 5]]
    mask = torch.tensor([[True, False]])
    assert losses.one_hot_error(scores, labels, mask).tolist() == [[0, 0]]


def test_squared_error_is_a_mean_over_all_but_samples():
    state = torch.tensor([[[1.0, 3.0]], [[0.0, 0.0]]])
    assert losses.squared_error(state, torch.tensor([[1.0, 1.0]])).tolist() == [2, 1]


def test_overflow_sums_how_far_numbers_leave_their_bounds():
    state = State(
        {"a": torch.tensor([[[2.5, -3.0]], [[0.5, 1.0]]]), "b": torch.tensor([[[9.0]], [[-1.5]]])}
    )
    assert losses.overflow(state, ["a"], 1.0).tolist() == [1.5 + 2.0, 0]
    assert losses.overflow(state, ["a", "b"], 1.0).tolist() == [3.5 + 8, 0.5]


def test_nothing_overflows_inside_the_bounds():
    state = State({"a": torch.linspace(-1, 1, 9).view(1, 1, 9)})
    assert_close(losses.overflow(state, ["a"], 1.0), torch.zeros(1))
