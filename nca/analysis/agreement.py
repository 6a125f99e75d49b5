"""How much more neighbouring cells agree than any two cells of the grid do.

A cosine between neighbours alone misleads: where all cells share one large vector, every pair
agrees. So the mean over the grid is taken away first, the agreement of all pairs is the
baseline, and the share of the common vector, the collapse number, stands beside the result.

Legend: B batch, C channel, N cells.
"""

import torch
from torch import Tensor

from nca.engine.topology import Topology

NOTHING = 1e-6
"""A cell nearer to the mean than this share of the features' root mean square has no direction."""


def directions(features: Tensor) -> Tensor:
    """Return how each cell departs from its sample's mean, as vectors of length 1.

    Args:
        features: `(B, C, *space)`.

    Returns:
        `(B, C, *space)` in float64; zeros where a cell does not depart from the mean, NaN in a
        sample that is not finite.
    """
    cells = _cells(features)
    departure = cells - cells.mean(dim=2, keepdim=True)
    length = departure.norm(dim=1, keepdim=True)
    scale = cells.square().sum(dim=1, keepdim=True).mean(dim=2, keepdim=True).sqrt()
    unit = departure / length.clamp(min=torch.finfo(torch.float64).tiny)
    return torch.where(length <= NOTHING * scale, 0.0, unit).view(features.shape)


def bonds(features: Tensor, topology: Topology, mask: Tensor | None = None) -> Tensor:
    """Return how much each cell agrees with the next one along each axis.

    Args:
        features: `(B, C, *space)`.
        topology: Whether the first cell of an axis follows the last: on a torus only.
        mask: Which cells count, bool `(B, *space)`; all if None.

    Returns:
        Cosines of directions, `(B, axis, *space)` in float64, from -1 to 1; NaN where there is no
        next cell, or where one of the two does not count.
    """
    unit = directions(features)
    beside = []
    for axis, boundary in enumerate(topology.of(features.ndim - 2)):
        side = features.shape[axis + 2]
        cosine = (unit * unit.roll(-1, axis + 2)).sum(dim=1)  # (B, *space)
        if side == 1 or boundary != "torus":
            cosine.narrow(axis + 1, side - 1, 1).fill_(torch.nan)
        if mask is not None:
            cosine = cosine.masked_fill(~(mask & mask.roll(-1, axis + 1)), torch.nan)
        beside.append(cosine)
    return torch.stack(beside, dim=1)


def agreement(features: Tensor, topology: Topology, mask: Tensor | None = None) -> Tensor:
    """Return the mean cosine of directions between neighbouring cells, from -1 to 1; see `bonds`.

    Neighbours share a side: four in two axes.
    """
    return bonds(features, topology, mask).flatten(1).nanmean(dim=1)


def baseline(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean cosine of directions over all pairs of different cells, from -1 to 1.

    It is what random pairs give in the long run, without the chance.

    Args:
        features: `(B, C, *space)`.
        mask: Which cells count, bool `(B, *space)`; all if None.
    """
    unit = directions(features).flatten(2)
    count = torch.full_like(unit[:, 0, 0], unit.shape[2])
    if mask is not None:
        unit = unit * mask.flatten(1).unsqueeze(1)
        count = mask.flatten(1).sum(dim=1).double()
    total = unit.sum(dim=2).square().sum(dim=1) - unit.square().sum(dim=(1, 2))
    return torch.where(count > 1, total / (count * (count - 1)), torch.nan)


def contrast(features: Tensor, topology: Topology, mask: Tensor | None = None) -> Tensor:
    """Return the agreement of neighbours less that of all pairs, from -2 to 2; 0: no islands."""
    return agreement(features, topology, mask) - baseline(features, mask)


def collapse(features: Tensor) -> Tensor:
    """Return the squared length of the mean over the mean squared length, from 0 to 1.

    1: all cells hold the same vector; 0: nothing is common to them. NaN: every cell is zero.
    """
    cells = _cells(features)
    return cells.mean(dim=2).square().sum(dim=1) / cells.square().sum(dim=1).mean(dim=1)


def effective_rank(features: Tensor) -> Tensor:
    """Return how many dimensions the cells span (Roy and Vetterli 2007).

    It is the exponential of the entropy of the singular values of the matrix of cells by
    channels, divided by their sum. The mean is not taken away: where the cells have collapsed,
    this tends to 1.

    Returns:
        From 1 to the number of channels or cells, whichever is less; NaN: every cell is zero, or
        one is not finite.
    """
    cells = _cells(features)
    known = cells.isfinite().all(dim=2).all(dim=1)
    cells = cells.nan_to_num(0.0, 0.0, 0.0)
    wide = cells if cells.shape[1] <= cells.shape[2] else cells.mT
    values = torch.linalg.eigvalsh(wide @ wide.mT).clamp(min=0).sqrt()
    shares = values / values.sum(dim=1, keepdim=True)
    return torch.special.entr(shares).sum(dim=1).exp().where(known, torch.nan)


def _cells(features: Tensor) -> Tensor:
    return features.detach().double().flatten(2)  # (B, C, N)
