"""A brush: which cells a stroke touches, and how much.

Legend: N points of a stroke.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nca.engine.topology import Topology
from nca.types import Size


def touched(
    points: Sequence[Sequence[float]], radius: float, size: Size, topology: Topology
) -> Tensor:
    """Return how much of each cell a stroke covers, from 0 to 1, float32 `(*size)`.

    The stroke is a line through all points, round at its ends; on a torus it reaches over the
    edge. A cell whose middle is half a cell beyond the radius is not touched at all.

    Args:
        points: Places in cells, in the order of the axes; the middle of the first cell is 0.5.
        radius: Half the width of the line, in cells.
        size: Cells along each axis.
        topology: What lies beyond the edge.
    """
    axes = len(size)
    lines = [torch.arange(side, dtype=torch.float64) + 0.5 for side in size]
    cells = torch.stack(torch.meshgrid(*lines, indexing="ij"))  # (axes, *size)
    wraps = [boundary == "torus" for boundary in topology.of(axes)]
    nearest = torch.full(size, torch.inf, dtype=torch.float64)
    stops = torch.tensor([list(point) for point in points], dtype=torch.float64)
    for begin, end in zip(stops, stops[1:] if len(stops) > 1 else stops, strict=False):
        nearest = torch.minimum(nearest, _distance(cells, begin, end, size, wraps))
    return (radius + 0.5 - nearest).clamp(0, 1).float()


def _distance(
    cells: Tensor, begin: Tensor, end: Tensor, size: Size, wraps: Sequence[bool]
) -> Tensor:
    """Return the distance of each cell's middle to a piece of line."""
    ones = (1,) * len(size)
    middle, along = (begin + end) / 2, end - begin
    away = cells - middle.view(-1, *ones)
    for axis, (side, wraps_here) in enumerate(zip(size, wraps, strict=True)):
        if wraps_here:
            away[axis] = (away[axis] + side / 2).remainder(side) - side / 2
    along = along.view(-1, *ones)
    length = along.square().sum()
    share = (away * along).sum(dim=0) / length if length > 0 else torch.zeros(size)
    return (away - along * share.clamp(-0.5, 0.5)).norm(dim=0)
