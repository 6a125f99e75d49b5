"""A brush: which cells a stroke touches, and how much.

Each piece of the line looks only at the cells of the box around it.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from nca.engine.topology import Topology
from nca.play.work import ask
from nca.types import Size

PER_CELL = 8
"""The distance of a cell to a piece of line takes as long as copying so many numbers."""

Points = Sequence[Sequence[float]]


def touched(points: Points, radius: float, size: Size, topology: Topology) -> Tensor:
    """Return how much of each cell a stroke covers, from 0 to 1, float32 `(*size)`.

    The stroke is a line through all points, round at its ends; on a torus it reaches over the
    edge. A cell whose middle is half a cell beyond the radius is not touched at all.

    Args:
        points: Places in cells, in the order of the axes; the middle of the first cell is 0.5.
        radius: Half the width of the line, in cells.
        size: Cells along each axis.
        topology: What lies beyond the edge.
    """
    wraps = [boundary == "torus" for boundary in topology.of(len(size))]
    nearest = torch.full(size, torch.inf, dtype=torch.float64)
    for begin, end in _pieces(points):
        ask()
        spans = _box(begin, end, radius, size, wraps)
        lines = [torch.tensor(span, dtype=torch.long) for span in spans]
        cells = tuple(
            line.view(-1, *[1] * (len(size) - 1 - axis)) for axis, line in enumerate(lines)
        )
        distance = _distance(cells, begin, end, size, wraps)
        whole = [slice(span.start, span.stop) for span in spans if isinstance(span, range)]
        if len(whole) == len(size):
            part = nearest[tuple(whole)]
            torch.minimum(part, distance, out=part)
        else:
            nearest[cells] = torch.minimum(nearest[cells], distance)
    return (radius + 0.5 - nearest).clamp(0, 1).float()


def work(points: Points, radius: float, size: Size) -> int:
    """Return how much work a stroke is: as much as copying so many numbers."""
    wraps = [True] * len(size)
    boxes = (_box(begin, end, radius, size, wraps) for begin, end in _pieces(points))
    return math.prod(size) + PER_CELL * sum(math.prod(map(len, box)) for box in boxes)


def _pieces(points: Points) -> list[tuple[list[float], list[float]]]:
    stops = [[float(at) for at in point] for point in points]
    return list(pairwise(stops)) or [(stops[0], stops[0])]


def _box(
    begin: Sequence[float], end: Sequence[float], radius: float, size: Size, wraps: Sequence[bool]
) -> list[Sequence[int]]:
    """Return, along each axis, the cells that a piece of line can touch."""
    spans: list[Sequence[int]] = []
    for start, stop, side, wraps_here in zip(begin, end, size, wraps, strict=True):
        low = math.floor(min(start, stop) - radius - 1)
        high = math.ceil(max(start, stop) + radius + 1)
        if not wraps_here:
            spans.append(range(min(max(low, 0), side), max(min(high, side), 0)))
        elif high - low >= side:
            spans.append(range(side))
        else:
            spans.append([at % side for at in range(low, high)])
    return spans


def _distance(
    cells: Sequence[Tensor],
    start: Sequence[float],
    stop: Sequence[float],
    size: Size,
    wraps: Sequence[bool],
) -> Tensor:
    """Return the distance of each cell's middle to a piece of line.

    Args:
        cells: The cells along each axis, which broadcast to a box.
        start: Where the piece begins.
        stop: Where it ends.
        size: Cells along each axis of the grid.
        wraps: Whether each axis wraps.
    """
    away = []
    for line, at, to, side, wraps_here in zip(cells, start, stop, size, wraps, strict=True):
        apart = line.double() + 0.5 - (at + to) / 2
        away.append((apart + side / 2).remainder(side) - side / 2 if wraps_here else apart)
    along = [to - at for at, to in zip(start, stop, strict=True)]
    if length := sum(part * part for part in along):
        share = sum(apart * part for apart, part in zip(away, along, strict=True))
        share = (torch.as_tensor(share) / length).clamp_(-0.5, 0.5)
        away = [apart - share * part for apart, part in zip(away, along, strict=True)]
    return torch.as_tensor(sum(apart * apart for apart in away)).sqrt_()
