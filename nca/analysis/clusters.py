"""Cluster the cells of a level when it is known how many clusters there are."""

import torch
from torch import Tensor

from nca.analysis.agreement import directions


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
        labels[sample][chosen[sample]] = _clusters(cells, count)
    return labels.view(mask.shape).to(mask.device)


def _clusters(cells: Tensor, count: int) -> Tensor:
    # imported here, because it takes time that only those who cluster can spare
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(cells) < 2 or count < 2:
        return torch.ones(len(cells), dtype=torch.int64)
    distances = (1 - cells @ cells.T).clamp(min=0)
    tree = linkage(squareform(distances.numpy(), checks=False), "average")
    return torch.from_numpy(fcluster(tree, count, "maxclust")).long()
