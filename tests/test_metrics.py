"""Votes, cell accuracy and agreement, counted by hand."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, random_seeds, sizes

from nca import Share
from nca.tasks import metrics


def chosen(*classes: int, count: int = 3) -> torch.Tensor:
    """Return the scores of cells that choose these classes by one point, (1, K, W)."""
    return torch.nn.functional.one_hot(torch.tensor([classes]), count).mT.float()


def pair(share: Share) -> tuple[list[float], list[float]]:
    return share.part.tolist(), share.whole.tolist()


def test_the_class_that_most_cells_choose_wins():
    assert metrics.vote(chosen(2, 0, 2, 1, 2)).tolist() == [2]
    assert metrics.vote(chosen(1, 1, 0, 0, 0)).tolist() == [0]


def test_a_cell_has_one_vote_however_loud_it_is():
    loud = chosen(1, 1, 0) * torch.tensor([1.0, 1.0, 1000.0])
    assert metrics.vote(loud).tolist() == [1]


def test_a_tie_goes_to_the_greater_summed_score():
    tie = chosen(0, 2)
    assert metrics.vote(tie * torch.tensor([1.0, 3.0])).tolist() == [2]
    assert metrics.vote(tie * torch.tensor([3.0, 1.0])).tolist() == [0]
    assert metrics.vote(tie).tolist() == [0]  # and to the first class if that is a tie too


def test_a_tie_between_loud_cells_goes_to_the_greater_summed_score():
    # so loud that no function which squeezes a sum of scores tells it from another
    assert metrics.vote(100 * chosen(0, 2) * torch.tensor([1.0, 3.0])).tolist() == [2]
    assert metrics.vote(-1000 * (1 - chosen(0, 2)) * torch.tensor([1.0, 3.0])).tolist() == [2]


def test_only_cells_of_the_mask_vote():
    scores = chosen(2, 2, 2, 1, 0, 1)
    mask = torch.tensor([[False, False, True, True, False, True]])
    assert metrics.vote(scores, mask).tolist() == [1]
    assert metrics.vote(scores, torch.zeros(1, 6, dtype=torch.bool)).tolist() == [0]


@given(size=sizes(2, high=5), classes=st.integers(1, 4), seed=random_seeds(), masked=st.booleans())
def test_a_vote_follows_a_slow_count(size, classes, seed, masked):
    scores = normal((4, classes, *size), seed)
    mask = normal((4, *size), seed, "mask") > 0
    voted = metrics.vote(scores, mask if masked else None)
    for sample in range(4):
        cells = scores[sample].flatten(1).T
        cells = cells[mask[sample].flatten()] if masked else cells
        ballots = [0] * classes
        for cell in cells.tolist():
            ballots[cell.index(max(cell))] += 1
        sums = cells.sum(dim=0).tolist()
        best = max(range(classes), key=lambda k: (ballots[k], sums[k]))
        assert voted[sample] == (best if len(cells) else 0)


def test_vote_accuracy_counts_images():
    scores = torch.cat([chosen(1, 1, 0), chosen(0, 0, 1), chosen(2, 2, 2)])
    share = metrics.vote_accuracy(scores, torch.tensor([1, 1, 2]))
    assert pair(share) == ([1, 0, 1], [1, 1, 1])


def test_cell_accuracy_counts_cells():
    scores = torch.cat([chosen(1, 1, 0), chosen(0, 0, 1)])
    labels = torch.tensor([1, 1])
    assert pair(metrics.cell_accuracy(scores, labels)) == ([2, 1], [3, 3])
    mask = torch.tensor([[True, False, True], [False, False, False]])
    assert pair(metrics.cell_accuracy(scores, labels, mask)) == ([1, 0], [2, 0])


def test_agreement_is_total_or_nothing():
    scores = torch.cat([chosen(1, 1, 1), chosen(1, 1, 0), chosen(0, 0, 0)])
    assert pair(metrics.total_agreement(scores)) == ([1, 0, 1], [1, 1, 1])


def test_agreement_is_asked_of_the_mask_alone():
    scores = torch.cat([chosen(1, 1, 0), chosen(1, 1, 0), chosen(0, 1, 2)])
    mask = torch.tensor([[True, True, False], [False, True, True], [False, False, False]])
    assert metrics.total_agreement(scores, mask).part.tolist()[:2] == [1, 0]


def test_a_share_of_values_weighs_samples_alike():
    assert pair(Share.of(torch.tensor([True, False]))) == ([1, 0], [1, 1])


def test_masks_may_have_any_number_of_axes():
    scores = chosen(1, 1, 0, 0).unflatten(2, (2, 2))
    mask = torch.tensor([[[True, True], [True, False]]])
    assert metrics.vote(scores, mask).tolist() == [1]
    assert pair(metrics.cell_accuracy(scores, torch.tensor([0]), mask)) == ([1], [3])
