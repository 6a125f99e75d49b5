"""Levels of different resolution: how one is read in the grid of another.

This is the one place of the engine that knows it. A cell of a level of scale s spans s cells of the
grid along each axis, and cell i of it spans the cells from `i s` on. So a cell of a coarse level
covers a block of cells of a finer one, and what has the same scale is read as it is.

Fine to coarse, a cell reads the mean of the block that it covers, the largest number of each
channel in it, or all of the block, stacked along the channels. Coarse to fine, it reads the cell
that covers it, or a mean of that one and those next to it, weighed by the distance of their
centres; beyond the edge of the grid stands what the topology says.

Legend: B batch, C channel, r cells of the finer level along each axis for one of the coarser.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.topology import Topology
from nca.errors import ShapeError
from nca.types import Size

Coarsen: TypeAlias = Literal["mean", "max", "stack"]
"""What a coarser cell reads of the finer ones that it covers: their mean, the largest of each
channel, or all of them."""

Refine: TypeAlias = Literal["nearest", "bilinear"]
"""What a finer cell reads of coarser ones: the one that covers it, or a mean of those around it,
linear along each axis."""

_POOLS = {
    "mean": {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d},
    "max": {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d},
}


class Resampling(NamedTuple):
    """How a level reads the others.

    Attributes:
        scale: Cells of the grid that one of its cells spans along each axis.
        coarsen: How it reads finer levels.
        refine: How it reads coarser ones.
    """

    scale: int = 1
    coarsen: Coarsen = "mean"
    refine: Refine = "nearest"

    def way(self, scale: int) -> Coarsen | Refine | None:
        """Return how a level of a scale is read: None as it is, for the scales are equal."""
        if scale == self.scale:
            return None
        return self.coarsen if scale < self.scale else self.refine

    def factor(self, scale: int) -> int:
        """Return how many cells of the finer of two levels are one of the coarser, along an axis.

        Args:
            scale: Of the level that is read.
        """
        return max(scale, self.scale) // min(scale, self.scale)

    def read(self, tensor: Tensor, scale: int, topology: Topology) -> Tensor:
        """Return a tensor on the grid of another scale, `(B, C, *space)`, in this one's grid.

        Args:
            tensor: It is returned as it is if the scales are equal.
            scale: Its scale.
            topology: What lies beyond the edge of the grid.
        """
        if scale < self.scale:
            return coarsened(tensor, self.scale // scale, self.coarsen)
        if scale > self.scale:
            return refined(tensor, scale // self.scale, self.refine, topology)
        return tensor

    def channels(self, channels: int, scale: int, axes: int) -> int:
        """Return how many channels a level has as it is read in this one's grid.

        Args:
            channels: Those that it has.
            scale: Its scale.
            axes: Axes of the grid.
        """
        if scale < self.scale and self.coarsen == "stack":
            return channels * (self.scale // scale) ** axes
        return channels

    def margin(self, scale: int) -> int:
        """Return how many cells of the grid, beyond the cell that covers it, reading reaches."""
        return scale if scale > self.scale and self.refine == "bilinear" else 0


AS_IS = Resampling()
"""How levels are read that all have scale 1."""


def size_at(size: Sequence[int], scale: int) -> Size:
    """Return the cells along each axis of a level, for a grid of so many cells.

    Raises:
        ShapeError: The grid is not divisible.
    """
    if any(side % scale for side in size):
        raise ShapeError(
            f"a grid of {' x '.join(map(str, size))} cells has no whole cells of scale {scale}.",
            where=f"scale {scale}: a cell spans {scale} cells of the grid along each axis",
            to_do=f"let every side of the grid be a multiple of {scale}, the coarsest scale",
        )
    return tuple(side // scale for side in size)


def coarsened(tensor: Tensor, r: int, how: Coarsen) -> Tensor:
    """Return `(B, C, *space)` on a grid of `space / r` cells.

    Args:
        tensor: Each side is a multiple of r.
        r: Cells along each axis that become one.
        how: `mean`; `max`, of each channel by itself; or `stack`, with `C * r ** axes` channels:
            all cells of a block, in raster order, for channel 0, then for channel 1.
    """
    if how != "stack":
        return _POOLS[how][tensor.ndim - 2](tensor, r)
    cells = _blocks(tensor.movedim(1, -1), r)  # (B, h, r, w, r, C)
    axes = tensor.ndim - 2
    space, within = range(1, 2 * axes, 2), range(2, 2 * axes + 1, 2)
    stacked = cells.permute(0, *space, 2 * axes + 1, *within).flatten(axes + 1)
    return stacked.movedim(-1, 1)


def refined(tensor: Tensor, r: int, how: Refine, topology: Topology) -> Tensor:
    """Return `(B, C, *space)` on a grid of `r * space` cells; see `Refine`."""
    if how == "nearest":
        return on_grid(tensor, r)
    padded = topology.pad(tensor, 1)
    for dim in range(2, tensor.ndim):
        padded = _between(padded, dim, r)
    return padded


def on_grid(tensor: Tensor, scale: int) -> Tensor:
    """Return what the cells of a level hold, for every cell of the grid, `(B, C, *space)`.

    Args:
        tensor: In the cells of the level.
        scale: Of the level; each of its cells is there as often as it spans cells of the grid.
    """
    return _repeated(tensor, scale) if scale > 1 else tensor


def mask_read(mask: Tensor, scale: int, into: int) -> Tensor:
    """Return a mask of the cells of one scale as one of another, bool `(B, 1, *space)`.

    A coarser cell is in it if any of the finer cells that it covers is, a finer one if the coarser
    cell that covers it is.
    """
    if scale < into:
        return coarsened(mask.to(torch.float32), into // scale, "mean") > 0
    return on_grid(mask, scale // into)


def _blocks(cells: Tensor, r: int) -> Tensor:
    """Return `(B, *space, C)` with every axis of space split into blocks and cells within."""
    shape = [part for side in cells.shape[1:-1] for part in (side // r, r)]
    return cells.reshape(cells.shape[0], *shape, cells.shape[-1])  # len() is no symbol


def _repeated(tensor: Tensor, r: int) -> Tensor:
    """Return every cell r times along each axis, the channels of a cell side by side."""
    cells = tensor.movedim(1, -1)
    batch, *size, channels = cells.shape
    ones = [part for side in size for part in (side, 1)]
    many = [part for side in size for part in (side, r)]
    spread = cells.reshape(batch, *ones, channels).expand(batch, *many, channels)
    return spread.reshape(batch, *(side * r for side in size), channels).movedim(-1, 1)


def _between(padded: Tensor, dim: int, r: int) -> Tensor:
    """Return a dimension with r cells for each, linear between centres; its ends are cut off."""
    side = padded.shape[dim] - 2
    own = padded.narrow(dim, 1, side)
    phases = []
    for phase in range(r):
        offset = (phase + 0.5) / r - 0.5  # of the finer centre, in coarser cells
        beside = padded.narrow(dim, 2 if offset > 0 else 0, side)
        phases.append(own.lerp(beside, abs(offset)))
    return torch.stack(phases, dim + 1).flatten(dim, dim + 1)
