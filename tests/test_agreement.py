"""Agreement, collapse and rank, worked by hand on fields that one can draw."""

import pytest
import torch
from hypothesis import given
from strategies import normal, offsets, random_seeds, sizes
from torch.testing import assert_close

from nca import TORUS, Topology
from nca.analysis import (
    agreement,
    baseline,
    bonds,
    collapse,
    contrast,
    directions,
    effective_rank,
    relative_change,
    rising,
    settling_time,
    spearman,
)

ZEROS = Topology("zeros")


def halves(height=4, width=8):
    """Two orthogonal vectors, left and right."""
    field = torch.zeros(1, 2, height, width, dtype=torch.float64)
    field[:, 0, :, : width // 2] = 1
    field[:, 1, :, width // 2 :] = 1
    return field


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_two_halves_agree_but_across_their_borders():
    # 32 cells: all 32 pairs down agree; of the 32 pairs across, those of 2 columns oppose
    assert_close(agreement(halves(), TORUS), numbers(48 / 64))
    # without a torus: 24 pairs down, and 28 across of which 4 oppose
    assert_close(agreement(halves(), ZEROS), numbers((24 + 24 - 4) / 52))
    # each cell has 15 others like it and 16 that oppose it
    assert_close(baseline(halves()), numbers(-1 / 31))
    assert_close(contrast(halves(), TORUS), numbers(48 / 64 + 1 / 31))


def test_two_halves_share_half_their_length_and_span_two_dimensions():
    assert_close(collapse(halves()), numbers(0.5))
    assert_close(effective_rank(halves()), numbers(2.0))


def test_a_constant_field_has_collapsed_and_has_no_contrast():
    field = torch.tensor([3.0, -4.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 5, 6)
    assert_close(collapse(field), numbers(1.0))
    assert_close(effective_rank(field), numbers(1.0), atol=1e-5, rtol=0)
    assert not directions(field).any()
    assert_close(contrast(field, TORUS), numbers(0.0))


def test_a_common_vector_raises_the_collapse_and_not_the_contrast():
    # cosines with the mean left in would rise towards 1, as if there were one great island
    shifted = halves() + 10
    assert collapse(shifted) > 0.99
    assert_close(contrast(shifted, TORUS), contrast(halves(), TORUS))


def test_an_empty_or_endless_level_has_no_collapse_and_no_rank():
    for field in (torch.zeros(1, 2, 3, 3), torch.full((1, 2, 3, 3), torch.inf)):
        assert collapse(field).isnan()
        assert effective_rank(field).isnan()
    assert contrast(torch.full((1, 2, 3, 3), torch.nan), TORUS).isnan()


def test_a_mask_leaves_only_pairs_inside_it():
    left = torch.zeros(1, 4, 8, dtype=torch.bool)
    left[:, :, :4] = True
    assert_close(agreement(halves(), TORUS, left), numbers(1.0))
    assert_close(baseline(halves(), left), numbers(1.0))


def test_there_is_no_next_cell_at_an_edge_that_does_not_wrap():
    mixed = Topology(("torus", "replicate"))
    assert bonds(halves(), mixed)[0, 1, :, -1].isnan().all()
    assert not bonds(halves(), mixed)[0, 0].isnan().any()
    # on a torus of one row, the cell below is the cell itself: no neighbour
    assert bonds(halves(1), TORUS)[0, 0].isnan().all()


@given(size=sizes(2, low=2), offset=offsets(2), random_seed=random_seeds())
def test_measures_of_a_level_do_not_change_when_a_torus_is_moved(size, offset, random_seed):
    field = normal((2, 3, *size), random_seed)
    moved = field.roll(offset, (-2, -1))
    for measure in (collapse, effective_rank, baseline):
        assert_close(measure(moved), measure(field))
    assert_close(contrast(moved, TORUS), contrast(field, TORUS))


@pytest.mark.parametrize("axes", [1, 3])
def test_agreement_is_measured_on_any_number_of_axes(axes):
    field = torch.zeros(1, 2, *[1] * (axes - 1), 8, dtype=torch.float64)
    field[:, 0, ..., :4] = 1
    field[:, 1, ..., 4:] = 1
    assert_close(agreement(field, TORUS), numbers((6 - 2) / 8))


def test_rank_correlation_is_that_of_the_textbook():
    values = numbers(1, 2, 3).expand(1, 3)
    assert_close(spearman(values), numbers(1.0))
    assert_close(spearman(-values), numbers(-1.0))
    assert_close(spearman(numbers(2, 1, 3)[None]), numbers(0.5))
    # ties share their rank: the ranks are 1.5, 1.5, 3
    assert_close(spearman(numbers(5, 5, 9)[None]), numbers(0.75**0.5))
    assert_close(spearman(numbers(4, 4, 4)[None]), numbers(0.0))
    assert spearman(numbers(4)[None]).isnan()


def test_what_stays_alike_counts_as_rising():
    values = torch.stack([numbers(1, 1, 2), numbers(1, 3, 2)])
    assert rising(values).tolist() == [True, False]


def test_relative_change_is_the_change_by_the_length_after_it():
    before, after = torch.zeros(2, 2, 1, 2), torch.zeros(2, 2, 1, 2)
    before[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    after[0, :, 0, 0] = torch.tensor([6.0, 8.0])
    assert_close(relative_change(before, after)[:1], numbers(0.5))
    assert relative_change(before, after)[1].isnan()


def test_a_level_settles_in_the_first_quiet_step_that_is_no_silence():
    changes = torch.stack([numbers(torch.nan, 1, 1e-4, 1e-5), numbers(1, 1, 1, 1)])
    settled = settling_time(changes)
    assert settled[0] == 3
    assert settled[1].isnan()
