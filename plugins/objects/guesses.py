"""What simple means find in a scene without any automaton: equal colours, and clusters of them.

Legend: B scene, C colour, K cluster, N cell; `H, W` the axes of the grid.
"""

import torch
from torch import Tensor

from nca import analysis

TOLERANCE = 0.05
"""Cells are of one colour if none of red, green and blue differs by more, but for noise."""

ROUNDS = 20


def of_equal_colour(colours: Tensor, *, tolerance: float = TOLERANCE) -> Tensor:
    """Return the connected components of cells of equal colour, int64 `(B, H, W)`, from 1.

    Args:
        colours: `(B, C, H, W)`, from 0 to 1.
        tolerance: How much neighbours may differ.
    """
    beside = [((colours - colours.roll(-1, axis)).abs() <= tolerance).all(dim=1) for axis in (2, 3)]
    return analysis.components(torch.stack(beside, dim=1))


def k_means(colours: Tensor, counts: Tensor) -> Tensor:
    """Return clusters of colours wherever their cells lie, int64 `(B, H, W)`, from 1.

    The first centre is the darkest cell, each further one the cell that is farthest from all
    before; then every centre moves to the mean of its cells, `ROUNDS` times.

    Args:
        colours: `(B, C, H, W)`.
        counts: How many clusters to form in each scene, int64 `(B,)`.
    """
    cells = colours.flatten(2).mT.double()  # (B, N, C)
    most = int(counts.max())
    row = torch.arange(len(cells), device=cells.device)
    centres = [cells[row, cells.sum(dim=2).argmin(dim=1)]]
    for _ in range(most - 1):
        away = torch.cdist(cells, torch.stack(centres, dim=1)).amin(dim=2)  # (B, N)
        centres.append(cells[row, away.argmax(dim=1)])
    middle = torch.stack(centres, dim=1)  # (B, K, C)
    unused = torch.arange(most, device=cells.device) >= counts.unsqueeze(1)  # (B, K)
    chosen = _nearest(cells, middle, unused)
    for _ in range(ROUNDS):
        member = torch.nn.functional.one_hot(chosen, most).double()  # (B, N, K)
        size = member.sum(dim=1).unsqueeze(2)
        middle = torch.where(size > 0, member.mT @ cells / size.clamp(min=1), middle)
        chosen = _nearest(cells, middle, unused)
    return (chosen + 1).view(-1, *colours.shape[2:])


def _nearest(cells: Tensor, middle: Tensor, unused: Tensor) -> Tensor:
    away = torch.cdist(cells, middle).masked_fill(unused.unsqueeze(1), torch.inf)
    return away.argmin(dim=2)
