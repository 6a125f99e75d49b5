"""How one set of segments lies over another: islands over the truth, or level over level.

Legend: B batch, K and M segments of the one and the other set.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def contingency(first: Tensor, second: Tensor) -> Tensor:
    """Return how many cells bear each pair of labels, float64 `(B, K + 1, M + 1)`.

    Args:
        first: Labels from 0 to K, int64 `(B, *space)`.
        second: Labels from 0 to M, int64 `(B, *space)`.
    """
    one, other = first.flatten(1), second.flatten(1)
    rows, columns = int(one.max()) + 1, int(other.max()) + 1
    table = torch.zeros(len(one), rows * columns, dtype=torch.float64, device=one.device)
    ones = torch.ones_like(one, dtype=torch.float64)
    return table.scatter_add_(1, one * columns + other, ones).view(-1, rows, columns)


def foreground_ari(labels: Tensor, truth: Tensor) -> Tensor:
    """Return the adjusted Rand index over the cells that belong to a true segment.

    It is 1 where the segments are the true ones, whatever their numbers, and 0 on average by
    chance (Hubert and Arabie 1985). Cells labelled 0 are taken to stand alone, each by itself.

    Args:
        labels: Segments found, int64 `(B, *space)`; 0: none.
        truth: True segments, int64 `(B, *space)`; 0: background, which does not count.

    Returns:
        From -1 to 1; NaN for a sample with fewer than two foreground cells.
    """
    table = contingency(labels, truth)[:, :, 1:]
    total = _pairs(table.sum(dim=(1, 2)))
    both = _pairs(table[:, 1:]).sum(dim=(1, 2))
    found = _pairs(table[:, 1:].sum(dim=2)).sum(dim=1)
    true = _pairs(table.sum(dim=1)).sum(dim=1)
    by_chance, most = found * true / total, (found + true) / 2
    return torch.where(most == by_chance, 1.0, (both - by_chance) / (most - by_chance)).where(
        total > 0, torch.nan
    )


def foreground_nmi(labels: Tensor, truth: Tensor) -> Tensor:
    """Return the normalised mutual information over the cells that belong to a true segment.

    `2 I(labels; truth) / (H(labels) + H(truth))`: 1 where the segments are the true ones, 0 where
    they say nothing about each other. It rises by chance as segments become many: read it beside
    the Rand index, which does not. Cells labelled 0 are taken to stand alone, each by itself.

    Args:
        labels: Segments found, int64 `(B, *space)`; 0: none.
        truth: True segments, int64 `(B, *space)`; 0: background, which does not count.

    Returns:
        From 0 to 1; NaN for a sample with no foreground, or with one segment on both sides.
    """
    table = contingency(labels, truth)[:, :, 1:]
    total = table.sum(dim=(1, 2))
    alone = table[:, 0] / total.unsqueeze(1)  # (B, M): each of these cells is a segment
    found = table[:, 1:] / total.view(-1, 1, 1)
    of_alone = alone.sum(dim=1) * total.log()
    of_found = torch.special.entr(found.sum(dim=2)).sum(dim=1) + of_alone
    of_true = torch.special.entr(table.sum(dim=1) / total.unsqueeze(1)).sum(dim=1)
    of_both = torch.special.entr(found).sum(dim=(1, 2)) + of_alone
    shared, most = of_found + of_true - of_both, of_found + of_true
    return (2 * shared / most).where((total > 0) & (most > 0), torch.nan)


def mean_best_overlap(labels: Tensor, truth: Tensor) -> Tensor:
    """Return the best intersection over union that a segment has with each true one, on average.

    Segments count whole: what lies over the background makes the union larger. Set `labels` to 0
    there to leave that out.

    Args:
        labels: Segments found, int64 `(B, *space)`; 0: none.
        truth: True segments, int64 `(B, *space)`; 0: background.

    Returns:
        From 0 to 1; NaN for a sample without any true segment.
    """
    table = contingency(labels, truth)
    joint = table[:, 1:, 1:]  # (B, K, M)
    true = table.sum(dim=1)[:, 1:]
    if not joint.shape[1] or not joint.shape[2]:
        best = torch.zeros_like(true)
    else:
        union = table.sum(dim=2)[:, 1:, None] + true[:, None] - joint
        best = (joint / union.clamp(min=1)).amax(dim=1)
    return best.sum(dim=1) / (true > 0).sum(dim=1)


def nesting(lower: Tensor, upper: Tensor) -> Tensor:
    """Return how much a cell's lower island says about its upper one, as a share of entropy.

    `1 - H(upper | lower) / H(upper)`, over the cells that lie in an island of both. 1: each lower
    island lies inside one upper island; 0: they have nothing to do with each other. Coarse
    islands nest by chance: compare with the same islands moved, see `translated`.

    Args:
        lower: Islands of a level, int64 `(B, *space)`; 0: none.
        upper: Islands of the level above, on the same grid.

    Returns:
        From 0 to 1; NaN where those cells lie in fewer than two upper islands.
    """
    joint = contingency(lower, upper)[:, 1:, 1:]
    shares = joint / joint.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    of_upper = torch.special.entr(shares.sum(dim=1)).sum(dim=1)
    of_both = torch.special.entr(shares).sum(dim=(1, 2))
    of_lower = torch.special.entr(shares.sum(dim=2)).sum(dim=1)
    several = (joint.sum(dim=1) > 0).sum(dim=1) > 1
    share = 1 - (of_both - of_lower) / of_upper
    return share.clamp(0, 1).where(several, torch.nan)


def translated(labels: Tensor, offsets: Tensor) -> Tensor:
    """Move the labels of each sample by an offset of its own, around a torus.

    Args:
        labels: `(B, *space)`.
        offsets: Cells along each axis, int64 `(B, axes)`.
    """
    for axis in range(labels.ndim - 1):
        side = labels.shape[axis + 1]
        shape = [1] * labels.ndim
        shape[axis + 1] = side
        place = torch.arange(side, device=labels.device).view(shape)
        moved = offsets[:, axis].view(-1, *[1] * (labels.ndim - 1))
        labels = labels.gather(axis + 1, ((place - moved) % side).expand(labels.shape))
    return labels


def resized(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Lay labels on a grid of another size: each cell takes the label that it lies in.

    Args:
        labels: int64 `(B, *space)`.
        size: Cells along each axis of the other grid.
    """
    if tuple(labels.shape[1:]) == tuple(size):
        return labels
    return F.interpolate(labels.double().unsqueeze(1), tuple(size)).squeeze(1).long()


def segments_in(labels: Tensor) -> Tensor:
    """Return how many different labels above 0 each sample has, int64 `(B,)`."""
    return (contingency(labels, torch.zeros_like(labels))[:, 1:, 0] > 0).sum(dim=1)


def _pairs(count: Tensor) -> Tensor:
    return count * (count - 1) / 2
