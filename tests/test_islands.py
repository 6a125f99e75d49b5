"""Islands and their sizes, on fields that one can draw."""

import math

import pytest
import torch
from hypothesis import given
from strategies import normal, offsets, random_seeds, sizes
from torch.testing import assert_close

from nca import TORUS, Topology, analysis
from nca.analysis import components, islands, patches
from nca.analysis import sizes as measured

ZEROS = Topology("zeros")


def painted(*rows):
    """Return a field in which equal letters are equal vectors, and others orthogonal."""
    letters = sorted(set("".join(rows)))
    field = torch.zeros(1, len(letters), len(rows), len(rows[0]), dtype=torch.float64)
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            field[0, letters.index(letter), y, x] = 1
    return field


def mask(*rows):
    return torch.tensor([[letter == "#" for letter in row] for row in rows])[None]


def test_two_halves_are_two_islands():
    labels = islands(painted("aabb", "aabb"), 0.9, TORUS)
    assert labels.tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]
    size = measured(labels)
    assert (size.count.item(), size.mean.item(), size.coverage.item()) == (2, 4, 1)
    assert_close(size.entropy.item(), math.log(2))
    assert_close(size.effective.item(), 2.0)


def test_islands_join_over_the_edge_of_a_torus_only():
    field = painted("abba", "abba")
    assert islands(field, 0.9, TORUS).unique().tolist() == [1, 2]
    # without wrapping, each outer column holds 2 cells: too few
    assert islands(field, 0.9, ZEROS).tolist() == [[[0, 1, 1, 0], [0, 1, 1, 0]]]
    assert islands(field, 0.9, ZEROS, smallest=2).tolist() == [[[1, 2, 2, 3], [1, 2, 2, 3]]]
    assert islands(field, 0.9, Topology(("zeros", "torus"))).unique().tolist() == [1, 2]


def test_sizes_weigh_islands_by_themselves_and_leave_crumbs_out():
    # 12 cells of a, 4 of b, and 2 crumbs
    field = painted("aaaaaabbc", "aaaaaabbd")
    size = measured(islands(field, 0.9, ZEROS))
    assert size.count.item() == 2
    assert size.mean.item() == 8
    assert_close(size.weighted.item(), (12**2 + 4**2) / 16)
    assert_close(size.coverage.item(), 16 / 18)
    assert_close(size.entropy.item(), -0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_a_field_of_one_vector_has_no_islands_to_tell_apart():
    size = measured(islands(torch.ones(1, 2, 4, 4), 0.9, TORUS))
    assert [getattr(size, name).item() for name in vars(size)] == [0] * 6


def test_a_higher_threshold_parts_what_a_lower_one_joins():
    field = torch.zeros(1, 2, 2, 8, dtype=torch.float64)
    angles = torch.tensor([0, 0, 0.6, 0.6, 3.6, 3.6, 4.2, 4.2], dtype=torch.float64)
    field[0, 0], field[0, 1] = angles.cos(), angles.sin()
    # the angles lie opposite each other, so that nothing is common; cos 0.6 is 0.825
    counts = [measured(islands(field, at, TORUS)).count.item() for at in (0.8, 0.85)]
    assert counts == [2, 4]


def test_only_cells_of_the_mask_belong_to_an_island():
    field = painted("aaaabb", "aaaabb")
    labels = islands(field, 0.9, ZEROS, mask("##....", "##...."))
    assert labels.tolist() == [[[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]]]


def test_samples_have_numbers_of_their_own():
    one, other = painted("aabb", "aabb"), painted("bbaa", "bbaa")
    both = islands(torch.cat([one, other]), 0.9, TORUS)
    assert both.flatten(1).amax(dim=1).tolist() == [2, 2]
    assert both[1:].equal(islands(other, 0.9, TORUS))


def test_patches_touch_by_their_sides():
    drawn = mask("#..#", ".#.#", "...#")
    assert patches(drawn, ZEROS).tolist() == [[[1, 0, 0, 2], [0, 3, 0, 2], [0, 0, 0, 2]]]
    assert patches(drawn, TORUS).tolist() == [[[1, 0, 0, 1], [0, 2, 0, 1], [0, 0, 0, 1]]]


def test_components_are_numbered_by_their_first_cell():
    joined = torch.zeros(1, 1, 5, dtype=torch.bool)
    joined[0, 0, [1, 4]] = True  # cells 1 and 2, and 4 with 0
    assert components(joined).tolist() == [[1, 2, 2, 3, 1]]


@pytest.mark.parametrize("shape", [(9,), (3, 3, 3)])
def test_islands_form_on_one_and_three_axes(shape):
    field = torch.zeros(1, 2, *shape, dtype=torch.float64)
    field[:, 0, 0], field[:, 1, 1:] = 1, 1
    count = measured(islands(field, 0.9, TORUS)).count.item()
    assert count == (1 if len(shape) == 1 else 2)


@given(size=sizes(2, low=2), offset=offsets(2), random_seed=random_seeds())
def test_islands_move_with_their_torus(size, offset, random_seed):
    field = normal((2, 2, *size), random_seed)
    labels = islands(field, 0.5, TORUS, smallest=2)
    moved = islands(field.roll(offset, (-2, -1)), 0.5, TORUS, smallest=2)
    expected = analysis.translated(labels, torch.tensor([offset, offset]))
    assert (moved > 0).equal(expected > 0)
    for name in ("count", "weighted", "coverage", "entropy"):
        assert_close(getattr(measured(moved), name), getattr(measured(labels), name))
    if labels.any():  # the same cells together, whatever their numbers
        ari = analysis.foreground_ari(moved, expected)
        assert ari[ari.isfinite()].allclose(torch.ones(1, dtype=torch.float64))
