"""Cells beyond the edge of a shard, asked of the processes that hold them.

One axis of a grid is cut into stretches, one for each process along it. Which cells a stretch
needs around it follows from the boundary alone, so that all processes know of all others what
they need, and between two of them there is one message each way: no message needs a label,
also where both neighbours of a stretch are the same process, or the same cell is needed twice.
Backward, gradients take the same ways home and are added there.

Every process of a grid must do the same work in the same order, the backward pass included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.types import Boundary


@dataclass(frozen=True)
class ProcessLine:
    """The processes along one axis of a grid.

    Attributes:
        bounds: Where each one's stretch begins, and at last where the grid ends.
        ranks: Their ranks.
        place: Which of them this process is.
    """

    bounds: tuple[int, ...]
    ranks: tuple[int, ...]
    place: int

    def owner(self, cell: int) -> int:
        """Return the place of the process that holds a cell."""
        return next(place for place, end in enumerate(self.bounds[1:]) if cell < end)

    def needs(self, place: int, reach: int, boundary: Boundary) -> list[int | None]:
        """Return the cells that a stretch needs before and behind it; None: nothing is there."""
        start, stop, side = self.bounds[place], self.bounds[place + 1], self.bounds[-1]
        around = [*range(start - reach, start), *range(stop, stop + reach)]
        period = max(2 * (side - 1), 1)
        match boundary:
            case "torus":
                return [cell % side for cell in around]
            case "zeros":
                return [cell if 0 <= cell < side else None for cell in around]
            case "replicate":
                return [min(max(cell, 0), side - 1) for cell in around]
            case "reflect":
                return [min(c % period, period - c % period, side - 1) for c in around]


@dataclass(frozen=True)
class _Ways:
    """What goes where when a stretch is extended; rows count along the axis.

    Attributes:
        taken: By rank, the rows of the extended stretch that come from there.
        given: By rank, the rows of this process's stretch that go there.
        empty: The rows of the extended stretch that are zeros.
    """

    taken: dict[int, list[int]]
    given: dict[int, list[int]]
    empty: list[int]


@lru_cache(maxsize=64)
def _ways(line: ProcessLine, reach: int, boundary: Boundary) -> _Ways:
    start, stop = line.bounds[line.place], line.bounds[line.place + 1]
    rows = [*range(reach), *range(reach + stop - start, 2 * reach + stop - start)]
    taken: dict[int, list[int]] = {}
    given: dict[int, list[int]] = {}
    empty = []
    for row, cell in zip(rows, line.needs(line.place, reach, boundary), strict=True):
        if cell is None:
            empty.append(row)
        else:
            taken.setdefault(line.ranks[line.owner(cell)], []).append(row)
    for place, rank in enumerate(line.ranks):
        wanted = [c for c in line.needs(place, reach, boundary) if c is not None]
        own = [cell - start for cell in wanted if start <= cell < stop]
        if own:
            given[rank] = own
    return _Ways(taken, given, empty)


class Transfer:
    """Messages under way: one to each of some ranks, and one from each of others.

    Args:
        sent: What goes to which rank, all of one dtype and device; what goes to this very
            process is handed over.
        shapes: From which ranks something comes, in which shape; to this process from itself
            nothing but what is in `sent`.
        like: Of that dtype and device, where nothing may be sent.
    """

    def __init__(
        self,
        sent: Mapping[int, Tensor],
        shapes: Mapping[int, Sequence[int]],
        like: Tensor | None = None,
    ) -> None:
        own = dist.get_rank()
        like = next(iter(sent.values()), None) if like is None else like
        kind = {} if like is None else {"dtype": like.dtype, "device": like.device}
        come = {rank: torch.empty(*shape, **kind) for rank, shape in shapes.items() if rank != own}
        self._come = come | ({own: sent[own]} if own in shapes else {})
        # kept until they are sent
        self._sent = {rank: t.contiguous() for rank, t in sent.items() if rank != own}
        work = [dist.P2POp(dist.isend, tensor, rank) for rank, tensor in self._sent.items()]
        work += [dist.P2POp(dist.irecv, tensor, rank) for rank, tensor in come.items()]
        self._requests = dist.batch_isend_irecv(work) if work else []

    def wait(self) -> dict[int, Tensor]:
        """Wait until all is sent and has come, and return what comes from each rank."""
        for request in self._requests:
            request.wait()
        return self._come


def exchange(
    sent: Mapping[int, Tensor], shapes: Mapping[int, Sequence[int]], like: Tensor | None = None
) -> dict[int, Tensor]:
    """Send one tensor to each of some ranks, and return what comes from others; see `Transfer`."""
    return Transfer(sent, shapes, like).wait()


class _Halo(torch.autograd.Function):
    """Extend a stretch at both ends; backward, add what was lent to whom it belongs."""

    @staticmethod
    def forward(
        ctx: Any, tensor: Tensor, dim: int, reach: int, boundary: Boundary, line: ProcessLine
    ) -> Tensor:
        ctx.dim, ctx.reach, ctx.ways = dim, reach, _ways(line, reach, boundary)
        ways, side = ctx.ways, tensor.shape[dim]
        come = exchange(
            {rank: _rows(tensor, dim, rows) for rank, rows in ways.given.items()},
            {rank: _shape(tensor, dim, len(rows)) for rank, rows in ways.taken.items()},
        )
        extended = empty_like(tensor, _shape(tensor, dim, side + 2 * reach))
        extended.narrow(dim, reach, side).copy_(tensor)
        for rank, rows in ways.taken.items():
            extended.index_copy_(dim, _index(rows, tensor), come[rank])
        if ways.empty:
            extended.index_fill_(dim, _index(ways.empty, tensor), 0)
        return extended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        dim, ways = ctx.dim, ctx.ways
        side = gradient.shape[dim] - 2 * ctx.reach
        home = exchange(
            {rank: _rows(gradient, dim, rows) for rank, rows in ways.taken.items()},
            {rank: _shape(gradient, dim, len(rows)) for rank, rows in ways.given.items()},
        )
        own = gradient.narrow(dim, ctx.reach, side).clone()
        for rank, rows in sorted(ways.given.items()):
            own.index_add_(dim, _index(rows, gradient), home[rank])
        return own, None, None, None, None


def halo(tensor: Tensor, dim: int, reach: int, boundary: Boundary, line: ProcessLine) -> Tensor:
    """Return a shard's tensor with `reach` more cells at both ends of a dimension."""
    if tensor.dtype == torch.bool:  # not all engines send truth values
        return halo(tensor.view(torch.uint8), dim, reach, boundary, line).view(torch.bool)
    return _Halo.apply(tensor, dim, reach, boundary, line)  # pyright: ignore[reportReturnType]


def _index(rows: list[int], like: Tensor) -> Tensor:
    return torch.tensor(rows, device=like.device)


def _rows(tensor: Tensor, dim: int, rows: list[int]) -> Tensor:
    return tensor.index_select(dim, _index(rows, tensor))


def _shape(tensor: Tensor, dim: int, side: int) -> list[int]:
    return [*tensor.shape[:dim], side, *tensor.shape[dim + 1 :]]


def empty_like(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return an empty tensor that lays out its numbers as another one does."""
    side_by_side = like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if side_by_side else torch.contiguous_format
    return torch.empty(*shape, dtype=like.dtype, device=like.device, memory_format=layout)
