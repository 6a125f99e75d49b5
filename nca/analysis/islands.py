"""Islands: patches of cells that agree, each with a neighbour, beyond a threshold.

Legend: B batch, K islands.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nca.analysis.agreement import bonds
from nca.engine.topology import Topology

THRESHOLD = 0.9
SMALLEST = 4


@dataclass(frozen=True)
class Sizes:
    """The sizes of each sample's islands; every attribute is float64 `(B,)`.

    Attributes:
        count: How many islands there are.
        mean: Mean area, in cells; 0 without any island.
        weighted: Area of the island that a cell of an island finds itself in, in cells: each area
            weighed by itself. 0 without any island.
        coverage: Share of the grid's cells that lie in an island.
        entropy: Of the islands' shares of the covered cells, in nats.
        effective: Exponential of the entropy: how many islands of one size would be as diverse. 0
            without any island.
    """

    count: Tensor
    mean: Tensor
    weighted: Tensor
    coverage: Tensor
    entropy: Tensor
    effective: Tensor


def islands(
    features: Tensor,
    threshold: float,
    topology: Topology,
    mask: Tensor | None = None,
    *,
    smallest: int = SMALLEST,
) -> Tensor:
    """Return the island of each cell: what pairs of neighbours above the threshold join.

    Args:
        features: `(B, C, *space)`; the mean over the grid is taken away, see `directions`.
        threshold: Least cosine of neighbours of one island, from -1 to 1, itself excluded.
        topology: Islands reach over the edge on a torus only.
        mask: Which cells may belong to one, bool `(B, *space)`; all if None.
        smallest: Patches of fewer cells are no islands.

    Returns:
        int64 `(B, *space)`: numbers from 1 in each sample; 0: in no island.
    """
    return gather(bonds(features, topology, mask), threshold, smallest=smallest)


def gather(bonds: Tensor, threshold: float, *, smallest: int = SMALLEST) -> Tensor:
    """Return the islands of given bonds, to try several thresholds; see `islands`."""
    return _at_least(components(bonds > threshold), smallest)


def patches(mask: Tensor, topology: Topology) -> Tensor:
    """Return the connected patches of a mask, whatever its cells hold.

    Args:
        mask: bool `(B, *space)`.
        topology: Patches reach over the edge on a torus only.

    Returns:
        int64 `(B, *space)`: numbers from 1 in each sample; 0: outside the mask.
    """
    open_ = torch.zeros_like(mask, dtype=torch.float64).unsqueeze(1)
    beside = ~bonds(open_, topology, mask).isnan()
    return _renumbered(torch.where(mask, components(beside), 0))


def components(joined: Tensor) -> Tensor:
    """Return the connected component of each cell.

    Args:
        joined: Whether a cell is joined to the next one along each axis, bool
            `(B, axis, *space)`; the next one of the last cell is the first.

    Returns:
        int64 `(B, *space)`: numbers from 1 in each sample, in the order of their first cells.
    """
    # imported here, because it takes time that only those who look for islands can spare
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    batch, axes, *space = joined.shape
    on_host = joined.cpu().numpy()
    cells = np.arange(on_host[:, 0].size).reshape(batch, *space)
    heads = [cells[on_host[:, axis]] for axis in range(axes)]
    tails = [np.roll(cells, -1, axis + 1)[on_host[:, axis]] for axis in range(axes)]
    pairs = np.concatenate(heads), np.concatenate(tails)
    ones = np.ones(len(pairs[0]), dtype=np.int8)
    _, found = connected_components(coo_array((ones, pairs), (cells.size, cells.size)), False)
    _, first, found = np.unique(found, return_index=True, return_inverse=True)
    labels = torch.from_numpy(first[found].reshape(batch, *space) + 1)
    return _renumbered(labels.to(joined.device))


def sizes(labels: Tensor) -> Sizes:
    """Measure islands.

    Args:
        labels: int64 `(B, *space)`; 0: in no island.
    """
    areas = _areas(labels)[:, 1:].double()  # (B, K)
    count, covered = (areas > 0).sum(dim=1).double(), areas.sum(dim=1)
    some = covered.clamp(min=1)
    entropy = torch.special.entr(areas / some[:, None]).sum(dim=1)
    return Sizes(
        count=count,
        mean=covered / count.clamp(min=1),
        weighted=areas.square().sum(dim=1) / some,
        coverage=covered / labels[0].numel(),
        entropy=entropy,
        effective=torch.where(count > 0, entropy.exp(), 0.0),
    )


def _areas(labels: Tensor) -> Tensor:
    """Return how many cells bear each number, int64 `(B, K + 1)`."""
    flat = labels.flatten(1)
    areas = flat.new_zeros(len(flat), int(flat.max()) + 1 if flat.numel() else 1)
    return areas.scatter_add_(1, flat, torch.ones_like(flat))


def _at_least(labels: Tensor, smallest: int) -> Tensor:
    areas = _areas(labels).gather(1, labels.flatten(1)).view(labels.shape)
    return _renumbered(torch.where(areas >= smallest, labels, 0))


def _renumbered(labels: Tensor) -> Tensor:
    """Let the numbers of each sample run from 1 without gaps, in the same order; 0 stays 0."""
    batch, most = len(labels), int(labels.max()) + 1 if labels.numel() else 1
    shift = torch.arange(batch, device=labels.device).view(-1, *[1] * (labels.ndim - 1)) * most
    used, place = torch.unique(labels + shift, return_inverse=True)
    number = torch.ones_like(used).where(used % most > 0, 0)
    owner = used // most
    running = number.cumsum(0)
    start = running.new_zeros(batch).index_add_(0, owner, number).cumsum(0)
    before = torch.cat([start.new_zeros(1), start[:-1]])[owner]
    return torch.where(number > 0, running - before, 0)[place]
