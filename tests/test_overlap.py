"""Segments over segments: the adjusted Rand index, overlap, nesting and clusters, by hand."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, offsets, random_seeds
from torch.testing import assert_close

from nca import TORUS, Topology
from nca.analysis import (
    average_linkage,
    clusters_of_places,
    contingency,
    foreground_ari,
    foreground_nmi,
    mean_best_overlap,
    nesting,
    resized,
    segments_in,
    translated,
)


def row(*labels):
    return torch.tensor([[labels]])


def close(values, *wanted):
    assert_close(values, torch.tensor(wanted, dtype=torch.float64))


def test_rand_index_of_the_example_in_the_manual_of_scikit_learn():
    # adjusted_rand_score([0, 0, 1, 2], [0, 0, 1, 1]) and ([0, 0, 1, 1], [0, 1, 0, 1])
    close(foreground_ari(row(1, 1, 2, 3), row(1, 1, 2, 2)), 4 / 7)
    close(foreground_ari(row(1, 1, 2, 2), row(1, 2, 1, 2)), -0.5)


def test_rand_index_heeds_neither_numbers_nor_background():
    truth = row(1, 1, 1, 2, 2, 3, 0, 0)
    close(foreground_ari(row(5, 5, 5, 1, 1, 2, 5, 3), truth), 1.0)
    close(foreground_ari(row(1, 1, 1, 1, 1, 1, 2, 3), truth), 0.0)


def test_cells_without_a_label_stand_alone():
    truth = row(1, 1, 2, 2)
    close(foreground_ari(row(0, 0, 0, 0), truth), 0.0)
    close(foreground_ari(row(1, 1, 0, 0), truth), foreground_ari(row(1, 1, 2, 3), truth).item())


def test_rand_index_needs_two_cells():
    assert foreground_ari(row(1, 1), row(1, 0)).isnan()
    close(foreground_ari(row(2, 2), row(1, 1)), 1.0)


def test_mutual_information_of_the_example_in_the_manual_of_scikit_learn():
    # normalized_mutual_info_score([0, 0, 1, 1], ...) of itself, of four singles, and of one group
    close(foreground_nmi(row(2, 2, 1, 1), row(1, 1, 2, 2)), 1.0)
    close(foreground_nmi(row(1, 2, 3, 4), row(1, 1, 2, 2)), 2 / 3)
    close(foreground_nmi(row(1, 1, 1, 1), row(1, 1, 2, 2)), 0.0)


def test_mutual_information_heeds_no_background_and_lets_unlabelled_cells_stand_alone():
    truth = row(1, 1, 2, 2, 0, 0)
    close(foreground_nmi(row(1, 1, 2, 2, 1, 2), truth), 1.0)
    close(
        foreground_nmi(row(1, 1, 0, 0, 1, 1), truth),
        foreground_nmi(row(1, 1, 2, 3), row(1, 1, 2, 2)).item(),
    )
    close(foreground_nmi(row(0, 0, 0, 0, 0, 0), truth), 2 / 3)


def test_mutual_information_needs_something_to_tell_apart():
    assert foreground_nmi(row(1, 1), row(1, 1)).isnan()
    assert foreground_nmi(row(1, 1), row(0, 0)).isnan()


@given(
    labels=st.lists(st.integers(1, 4), min_size=6, max_size=6),
    truth=st.lists(st.integers(1, 4), min_size=6, max_size=6),
)
def test_rand_index_is_what_counting_pairs_gives(labels, truth):
    pairs = [(i, j) for i in range(6) for j in range(i)]
    found = [labels[i] == labels[j] for i, j in pairs]
    true = [truth[i] == truth[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(found, true, strict=True))
    chance, most = sum(found) * sum(true) / len(pairs), (sum(found) + sum(true)) / 2
    wanted = 1.0 if most == chance else (both - chance) / (most - chance)
    close(foreground_ari(row(*labels), row(*truth)), wanted)


def test_best_overlap_is_the_mean_over_true_segments():
    truth = row(1, 1, 1, 1, 2, 2, 0, 0)
    # segment 1: 3 of 4 cells; segment 2: both cells, but of 4
    close(mean_best_overlap(row(1, 1, 1, 0, 2, 2, 2, 2), truth), (3 / 4 + 2 / 4) / 2)
    close(mean_best_overlap(row(*[0] * 8), truth), 0.0)
    assert mean_best_overlap(truth, row(*[0] * 8)).isnan()


def test_a_refinement_is_nested_and_its_converse_is_not():
    coarse, fine = row(1, 1, 1, 1, 2, 2, 2, 2), row(1, 1, 2, 2, 3, 3, 4, 4)
    close(nesting(fine, coarse), 1.0)
    close(nesting(coarse, fine), 0.5)  # 1 - log 2 / log 4
    close(nesting(row(1, 1, 2, 2), row(1, 2, 1, 2)), 0.0)


def test_only_cells_in_an_island_of_both_levels_count_for_nesting():
    close(nesting(row(1, 1, 2, 2, 0, 1), row(1, 1, 2, 2, 1, 0)), 1.0)
    assert nesting(row(1, 1, 2, 2), row(1, 1, 1, 1)).isnan()
    assert nesting(row(1, 1, 0, 0), row(0, 0, 1, 2)).isnan()


def test_a_moved_refinement_nests_less():
    coarse, fine = row(1, 1, 1, 1, 2, 2, 2, 2), row(1, 1, 2, 2, 3, 3, 4, 4)
    moved = translated(fine, torch.tensor([[0, 1]]))
    assert moved.tolist() == row(4, 1, 1, 2, 2, 3, 3, 4).tolist()
    assert nesting(moved, coarse) < 0.6


@given(first=offsets(2), second=offsets(2), random_seed=random_seeds())
def test_each_sample_moves_by_its_own_offset(first, second, random_seed):
    labels = (normal((2, 3, 5), random_seed) * 3).long()
    moved = translated(labels, torch.tensor([first, second]))
    for sample, offset in enumerate((first, second)):
        assert moved[sample].equal(labels[sample].roll(offset, (0, 1)))


def test_tables_and_counts_are_of_each_sample_alone():
    labels = torch.tensor([[[1, 1, 2]], [[0, 3, 3]]])
    assert segments_in(labels).tolist() == [2, 1]
    assert contingency(labels, labels)[1].diagonal().tolist() == [1, 0, 0, 2]


def test_labels_lie_on_a_finer_grid_as_they_did():
    assert resized(row(1, 2), (2, 4)).tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]


def test_clusters_are_as_many_as_were_asked_for_and_only_inside_the_mask():
    angles = torch.tensor([0.0, 0.1, 2.0, 2.1, 4.0, 4.1, 1.0], dtype=torch.float64)
    field = torch.stack([angles.cos(), angles.sin()]).view(1, 2, 1, 7)
    mask = torch.tensor([[[True] * 6 + [False]]])
    three = average_linkage(field, mask, torch.tensor([3]))
    close(foreground_ari(three, row(1, 1, 2, 2, 3, 3, 0)), 1.0)
    assert three[0, 0, 6] == 0
    assert segments_in(average_linkage(field, mask, torch.tensor([2]))).item() == 2
    assert segments_in(average_linkage(field, mask, torch.tensor([1]))).item() == 1
    assert not average_linkage(field, mask & False, torch.tensor([3])).any()


def test_clusters_of_places_reach_over_the_edge_of_a_torus_alone():
    mask = torch.tensor([[[True, True, False, True, True, False, False, False, True]]])
    around, line = (
        clusters_of_places(mask, torch.tensor([2]), topology)
        for topology in (TORUS, Topology("zeros"))
    )
    close(foreground_ari(around, row(1, 1, 0, 2, 2, 0, 0, 0, 1)), 1.0)
    close(foreground_ari(line, row(1, 1, 0, 1, 1, 0, 0, 0, 2)), 1.0)
    assert around[~mask].eq(0).all()
    assert not clusters_of_places(mask & False, torch.tensor([2]), TORUS).any()
