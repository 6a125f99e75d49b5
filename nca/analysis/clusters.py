"""Cluster cells when it is known how many clusters there are, by content or by place."""

import torch
from torch import Tensor

from nca.analysis.agreement import directions
from nca.engine.topology import Topology


def average_linkage(features: Tensor, mask: Tensor, counts: Tensor) -> Tensor:
    """Return clusters of cells by their directions, wherever they stand on the grid.

    Clusters merge by average linkage of the distance 1 - cosine, as Miyato et al. (2025) judge
    the features of their oscillator networks.

    Args:
        features: `(B, C, *space)`; the mean over the grid is taken away, see `directions`.
        mask: Which cells to cluster, bool `(B, *space)`.
        counts: How many clusters to form in each sample, int64 `(B,)`.

    Returns:
        int64 `(B, *space)`: numbers from 1 in each sample; 0: outside the mask.
    """
    units = directions(features).nan_to_num(0.0).flatten(2).mT.cpu()  # (B, N, C)
    chosen = mask.flatten(1).cpu()
    labels = torch.zeros(chosen.shape, dtype=torch.int64)
    for sample, count in enumerate(counts.tolist()):
        cells = units[sample][chosen[sample]]
        distances = (1 - cells @ cells.T).clamp(min=0)
        labels[sample][chosen[sample]] = _clusters(distances, count)
    return labels.view(mask.shape).to(mask.device)


def clusters_of_places(mask: Tensor, counts: Tensor, topology: Topology) -> Tensor:
    """Return clusters of cells by where they lie, whatever they hold: average linkage of distances.

    Where segments are compact, this alone finds much of them.

    Args:
        mask: Which cells to cluster, bool `(B, *space)`.
        counts: How many clusters to form in each sample, int64 `(B,)`.
        topology: Distances reach over the edge on a torus only.

    Returns:
        int64 `(B, *space)`: numbers from 1 in each sample; 0: outside the mask.
    """
    chosen = mask.cpu()
    size, boundaries = torch.tensor(chosen.shape[1:]), topology.of(chosen.ndim - 1)
    wraps = torch.tensor([boundary == "torus" for boundary in boundaries])
    labels = torch.zeros(chosen.shape, dtype=torch.int64)
    for sample, count in enumerate(counts.tolist()):
        places = chosen[sample].nonzero()
        away = (places.unsqueeze(0) - places.unsqueeze(1)).abs()  # (N, N, axes)
        away = torch.where(wraps, torch.minimum(away, size - away), away)
        labels[sample][chosen[sample]] = _clusters(away.double().norm(dim=2), count)
    return labels.to(mask.device)


def _clusters(distances: Tensor, count: int) -> Tensor:
    """Return the clusters of cells whose distances `(N, N)` are given."""
    # imported here, because it takes time that only those who cluster can spare
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distances) < 2 or count < 2:
        return torch.ones(len(distances), dtype=torch.int64)
    tree = linkage(squareform(distances.numpy(), checks=False), "average")
    return torch.from_numpy(fcluster(tree, count, "maxclust")).long()
