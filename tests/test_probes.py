"""A linear probe tells what can be told by a plane, and no more; energy falls as cells agree."""

import pytest
import torch
from torch.testing import assert_close

from nca import TORUS
from nca.analysis import energy, most_frequent, probe


def cells(samples=6, side=5, random_seed=0):
    draw = torch.Generator().manual_seed(random_seed)
    return torch.randn(samples, 4, side, side, generator=draw, dtype=torch.float64)


def test_a_probe_tells_a_category_that_a_plane_separates():
    features = cells()
    marks = (features[:, 2] > 0).long() + 1
    features[:, 2] += features[:, 2].sign()  # a gap between the two
    assert (probe(features, marks) > 0.95).all()


def test_a_probe_tells_nothing_where_there_is_nothing():
    features, marks = cells(60), (cells(60, random_seed=1)[:, 0] > 0).long() + 1
    assert_close(probe(features, marks).mean().item(), 0.5, atol=0.06, rtol=0)


def test_no_sample_is_judged_by_a_probe_that_has_seen_it():
    # each sample has a category of its own, so that another sample's probe never names it
    features, marks = cells(4), torch.arange(1, 5).view(4, 1, 1).expand(4, 5, 5)
    assert probe(features, marks).tolist() == [0, 0, 0, 0]


def test_cells_of_category_0_do_not_count():
    features = cells()
    marks = (features[:, 2] > 0).long() + 1
    features[:, 2] += features[:, 2].sign()
    marks[:, :, 2:] = 0
    features[:, :, :, 2:] = 1e3
    assert (probe(features, marks) > 0.9).all()
    marks[3] = 0
    assert probe(features, marks).isnan().tolist() == [False] * 3 + [True] + [False] * 2


def test_a_probe_of_numbers_that_are_none_is_undefined():
    features = cells(2)
    features[0, 0, 0, 0] = torch.nan
    told = probe(features, torch.ones(2, 5, 5, dtype=torch.int64))
    assert told[1].isnan()  # it would have been judged by the probe of sample 0


def test_scale_and_place_of_channels_do_not_matter_to_a_probe():
    features = cells()
    marks = (features[:, 0] + features[:, 1] > 0).long() + 1
    scale = torch.tensor([1e3, 1e-3, 1.0, 7.0], dtype=torch.float64).view(1, 4, 1, 1)
    assert_close(probe(features * scale + 5, marks), probe(features, marks))


def test_the_most_frequent_category_is_what_a_probe_must_beat():
    marks = torch.tensor([[1, 1, 2, 0], [1, 1, 1, 0], [2, 2, 0, 0], [0, 0, 0, 0]])
    told = most_frequent(marks)
    assert_close(told[:3], torch.tensor([2 / 3, 1, 0], dtype=torch.float64))
    assert told[3].isnan()


@pytest.mark.parametrize("sharpness", [0.5, 5.0])
def test_energy_is_least_where_all_cells_hold_one_vector(sharpness):
    same = torch.randn(2, 4, 1, 1, dtype=torch.float64).expand(2, 4, 5, 5)
    assert_close(energy(same, TORUS, sharpness), torch.full((2,), -0.5, dtype=torch.float64))
    assert (energy(cells(), TORUS, sharpness) > -0.5).all()


def test_energy_of_two_opposed_cells_is_that_worked_out_by_hand():
    # each sees itself (product 1) once and the other (product -1) twice, around a ring of two
    pair = torch.tensor([[[3.0, -3.0]]], dtype=torch.float64)
    mean = (torch.tensor(1.0).exp() + 2 * torch.tensor(-1.0).exp()) / 3
    assert_close(energy(pair, TORUS), 0.5 - mean.log().double().view(1))


def test_energy_is_the_mean_of_its_formula_over_the_cells():
    features = cells(1, 3)
    unit = features[0].flatten(1).T / features.square().sum(dim=1).mean().sqrt()
    # on a torus of 3 x 3 every cell has all nine as neighbours
    match = (2.0 * unit @ unit.T).exp().mean(dim=1).log() / 2.0
    wanted = (unit.square().sum(dim=1) / 2 - match).mean()
    assert_close(energy(features, TORUS, sharpness=2.0), wanted.view(1))
