"""How a level comes to rest.

Legend: B batch, T steps, N neighbours.
"""

import torch
from torch import Tensor

from nca.engine.rollouts import TOLERANCE, at_rest
from nca.engine.topology import Topology


def settling_time(changes: Tensor, below: float = TOLERANCE) -> Tensor:
    """Return the first step, counted from 1, whose relative change is below a bound.

    Args:
        changes: Relative change of each step, `(B, T)`.
        below: The bound.

    Returns:
        float64 `(B,)`; NaN for a sample that never comes to rest.
    """
    resting = at_rest(changes, below)
    first = resting.int().argmax(dim=1).double() + 1
    return first.where(resting.any(dim=1), torch.nan)


def energy(features: Tensor, topology: Topology, sharpness: float = 1.0, radius: int = 1) -> Tensor:
    """Return how far cells are from agreement with those around them: low where they agree.

    The mean over cells p of `|s_p|^2 / 2 - log(mean_q exp(sharpness <s_p, s_q>)) / sharpness`, q
    in the neighbourhood of p, itself included; vectors are divided by the root mean square of
    their length over the sample, so that a level's scale does not matter. With the neighbours
    held fast, its gradient is `s_p` less what attention makes of the neighbours: a consensus step
    descends it, as a step of a Hopfield network does (Ramsauer et al. 2021). When all cells move
    at once it need not fall.

    Args:
        features: A level, `(B, C, *space)`.
        topology: Of the grid.
        sharpness: Of the attention, above 0.
        radius: Of the neighbourhood, in cells.

    Returns:
        float64 `(B,)`; -1/2 where all cells hold one vector; NaN where every cell is zero.
    """
    cells = features.detach().double()
    size = cells.square().sum(dim=1, keepdim=True).flatten(2).mean(dim=2).sqrt()
    cells = cells / size.view(-1, *[1] * (cells.ndim - 1))
    around = topology.neighbours(cells, radius)  # (B, N, C, *space)
    match = sharpness * torch.einsum("bnc...,bc...->bn...", around, cells)
    pull = (match.logsumexp(dim=1) - torch.tensor(around.shape[1]).log()) / sharpness
    return (cells.square().sum(dim=1) / 2 - pull).flatten(1).mean(dim=1)
