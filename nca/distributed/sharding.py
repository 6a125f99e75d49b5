"""Split a state among processes, by its samples or by its cells, and join it again.

Whole states are the same on every process of the group; a part is one process's own. Both ways
are differentiable, for a loss that every process computes from the same whole: the gradients of
a part's weights, averaged over the processes, are then those of the undivided computation. This
average is what PyTorch's engine for several devices (DistributedDataParallel) takes.

Every process must do the same work in the same order.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.distributed.block_halo import BlockHalo, HaloPiece
from nca.distributed.halo import ProcessLine, empty_like, exchange, halo
from nca.distributed.shares import stretches
from nca.engine.resample import size_at
from nca.engine.rim import extended
from nca.engine.state import State
from nca.engine.topology import Topology
from nca.engine.window import Window
from nca.errors import ShapeError
from nca.types import Boundary, Size

Block: TypeAlias = tuple[slice, ...]
"""A part of a tensor: where it lies along its first dimensions."""


class Sharding(ABC):
    """One way to split a state among the processes of the group."""

    @abstractmethod
    def scatter(self, whole: State) -> State:
        """Return this process's part of a state that every process has."""

    @abstractmethod
    def gather(self, part: State, whole: State) -> State:
        """Return the state whose parts the processes have.

        Args:
            part: This process's.
            whole: The state from which parts were cut; sizes and sample numbers are taken from it.
        """

    def topology(self, topology: Topology) -> Topology:
        """Return what lies beyond the edge of a part."""
        return topology


@dataclass(frozen=True)
class BatchSharding(Sharding):
    """Each process has some of the samples; all, where there are fewer samples than processes.

    Attributes:
        rank: Which process this is.
        count: How many there are.
    """

    rank: int
    count: int

    def scatter(self, whole: State) -> State:
        """Return this process's samples; see `Sharding.cut`."""
        if whole.batch < self.count:
            return whole
        blocks = self._blocks(whole.batch)
        part = whole.map(lambda tensor: scatter_block(tensor, blocks, self.rank))
        return part.replace(samples=whole.samples[blocks[self.rank][0]])

    def gather(self, part: State, whole: State) -> State:
        """Return the samples of all processes; see `Sharding.join`."""
        if whole.batch < self.count:
            return part
        blocks = self._blocks(whole.batch)
        joined = part.map(lambda tensor: gather_blocks(tensor, blocks, self.rank))
        return joined.replace(samples=whole.samples)

    def _blocks(self, batch: int) -> list[Block]:
        return [(stretch,) for stretch in stretches(batch, self.count)]


@dataclass(frozen=True)
class GridSharding(Sharding):
    """Each process has a block of the grid.

    Attributes:
        rank: Which process this is; ranks count the blocks in raster order.
        shape: Blocks along each axis, such as 2 by 1. Sides need not be multiples of it.
        size: Cells of the whole grid along each axis.
        coarsest: The largest scale of a level (`Layout.coarsest`): blocks are cut between cells of
            it. Places and sizes of blocks are counted in cells of scale 1.

    Raises:
        ShapeError: The grid has other axes, fewer cells than blocks along one, or no whole cells
            of the coarsest scale.
    """

    rank: int
    shape: Size
    size: Size
    coarsest: int = 1

    def __post_init__(self) -> None:
        """Refuse blocks without cells."""
        axes = zip(size_at(self.size, self.coarsest), self.shape, strict=False)
        if len(self.size) != len(self.shape) or any(side < count for side, count in axes):
            coarse = f" of scale {self.coarsest}" if self.coarsest > 1 else ""
            raise ShapeError(
                f"a grid of {_by(self.size)} cells cannot be split into {_by(self.shape)} blocks.",
                where=f"{self}",
                to_do="name a number of blocks for each axis, at most as many as it has "
                f"cells{coarse}",
            )

    @property
    def window(self) -> Window:
        """Where this process's block lies in the grid.

        A state too large for one process is made in blocks: each makes its own, of `block`
        cells, and `state.replace(window=...)`.
        """
        return Window(tuple(cut.start for cut in self._blocks(1)[self.rank][2:]), self.size)

    @property
    def block(self) -> Size:
        """Cells of this process's block along each axis."""
        return tuple(cut.stop - cut.start for cut in self._blocks(1)[self.rank][2:])

    @property
    def smallest(self) -> Size:
        """The least cells along each axis that any process's block has."""
        lines = (self._stretches(axis, 1) for axis in range(len(self.size)))
        return tuple(min(cut.stop - cut.start for cut in line) for line in lines)

    def scatter(self, whole: State) -> State:
        """Return this process's cells; see `Sharding.cut`.

        Raises:
            ShapeError: A level of the state has another size, or a cell of it would be cut.
        """
        for name in whole:
            scale = whole.scale(name)
            sizes = {size_at(self.size, scale)} if scale <= self.coarsest else set()
            if whole.size(name) not in sizes:
                raise ShapeError(
                    f'level "{name}" has {_by(whole.size(name))} cells, not {_by(self.size)}.'
                    if scale == 1
                    else f'level "{name}" has scale {scale}, and blocks would cut its cells.',
                    where=f"{self}",
                    to_do="split states of the size that was named, and name their coarsest scale",
                )
        part = whole.map(self._scattered)
        return part.replace(window=self.window)

    def gather(self, part: State, whole: State) -> State:
        """Return the cells of all processes; see `Sharding.join`."""
        return part.map(self._gathered).replace(window=whole.window)

    def topology(self, topology: Topology) -> Topology:
        """Return a topology that asks other processes for the cells beyond a block's edge."""
        return Topology(topology.boundaries, self._extend)

    def halo(self, reach: int, topology: Topology) -> BlockHalo:
        """Return the halo of this process's block.

        Args:
            reach: So many cells wide, whole ones of the coarsest scale; no block is narrower.
            topology: That of the whole grid, which ends where an axis is no torus.
        """
        boundaries = topology.of(len(self.size))
        lines = [self._stretches(axis, 1) for axis in range(len(self.size))]
        ranks = itertools.product(*(range(count) for count in self.shape))
        pieces = [list(_pieces(lines, place, reach, boundaries)) for place in ranks]
        given = [
            replace(p, rank=r) for r, own in enumerate(pieces) for p in own if p.rank == self.rank
        ]
        margins = []
        for axis in range(len(self.size)):
            sides = {piece.side[axis] for piece in pieces[self.rank]}
            margins.append((reach * (-1 in sides), reach * (1 in sides)))
        return BlockHalo(self.block, tuple(margins), tuple(pieces[self.rank]), tuple(given))

    def _extend(self, tensor: Tensor, dim: int, reach: int, boundary: Boundary) -> Tensor:
        axis = dim - 2
        if self.shape[axis] == 1:
            return extended(tensor, dim, reach, boundary)
        after = math.prod(self.shape[axis + 1 :])
        place = self.rank // after % self.shape[axis]
        first = self.rank - place * after
        ranks = tuple(first + number * after for number in range(self.shape[axis]))
        scale = self.block[axis] // tensor.shape[dim]
        ends = (stretch.stop for stretch in self._stretches(axis, scale))
        return halo(tensor, dim, reach, boundary, ProcessLine((0, *ends), ranks, place))

    def _scattered(self, whole: Tensor) -> Tensor:
        scale = self.size[0] // whole.shape[2]
        return scatter_block(whole, self._blocks(scale), self.rank)

    def _gathered(self, part: Tensor) -> Tensor:
        scale = self.block[0] // part.shape[2]
        return gather_blocks(part, self._blocks(scale), self.rank)

    def _blocks(self, scale: int) -> list[Block]:
        """Return where all blocks lie in a level of a scale, in its cells."""
        lines = [self._stretches(axis, scale) for axis in range(len(self.size))]
        return [(slice(None), slice(None), *block) for block in itertools.product(*lines)]

    def _stretches(self, axis: int, scale: int) -> list[slice]:
        """Return the stretches of an axis, cut between the coarsest cells, in cells of a scale."""
        cells = stretches(self.size[axis] // self.coarsest, self.shape[axis])
        fine = self.coarsest // scale
        return [slice(fine * cut.start, fine * cut.stop) for cut in cells]


class _Scatter(torch.autograd.Function):
    """Take a block; backward, put the gradients of all blocks together."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, blocks: list[Block], rank: int) -> Tensor:
        ctx.blocks, ctx.rank, ctx.shape = blocks, rank, whole.shape
        return whole[blocks[rank]].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _gathered(gradient, ctx.blocks, ctx.rank) / len(ctx.blocks), None, None


class _Gather(torch.autograd.Function):
    """Put the blocks of all processes together; backward, take this process's.

    Every process has the gradient of the whole, which is each part's own; since an average will
    be taken over processes, of which the others add nothing to it, it counts for all of them.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, blocks: list[Block], rank: int) -> Tensor:
        ctx.blocks, ctx.rank = blocks, rank
        return _gathered(part, blocks, rank)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient[ctx.blocks[ctx.rank]] * len(ctx.blocks), None, None


def scatter_block(whole: Tensor, blocks: list[Block], rank: int) -> Tensor:
    """Return one block of a tensor that every process has."""
    return _Scatter.apply(whole, blocks, rank)  # pyright: ignore[reportReturnType]


def gather_blocks(part: Tensor, blocks: list[Block], rank: int) -> Tensor:
    """Return the tensor of which every process has a block."""
    return _Gather.apply(part, blocks, rank)  # pyright: ignore[reportReturnType]


def _gathered(part: Tensor, blocks: list[Block], rank: int) -> Tensor:
    def filled(block: Block) -> list[int]:
        known = [
            side if cut == slice(None) else cut.stop - cut.start
            for cut, side in zip(block, part.shape, strict=False)
        ]
        return [*known, *part.shape[len(block) :]]

    come = exchange(
        dict.fromkeys(range(len(blocks)), part),
        {number: filled(block) for number, block in enumerate(blocks)},
    )
    ends = [
        side if last == slice(None) else last.stop
        for last, side in zip(blocks[-1], part.shape, strict=False)
    ]
    whole = empty_like(part, [*ends, *part.shape[len(ends) :]])
    for number, block in enumerate(blocks):
        whole[block] = come[number]
    return whole


def _pieces(
    lines: Sequence[Sequence[slice]], place: Size, reach: int, boundaries: Sequence[Boundary]
) -> Iterator[HaloPiece]:
    """Yield the pieces of the halo of the block at a place among the blocks."""
    axes = []
    for line, at, boundary in zip(lines, place, boundaries, strict=True):
        sides = [cut.stop - cut.start for cut in line]
        found = [(0, at, slice(0, sides[at]))]
        for side in (-1, 1):
            there = at + side
            if len(line) > 1 and (boundary == "torus" or 0 <= there < len(line)):
                there %= len(line)
                last = sides[there]
                found.append(
                    (side, there, slice(last - reach, last) if side < 0 else slice(0, reach))
                )
        axes.append(found)
    for each in itertools.product(*axes):
        side, places, cells = zip(*each, strict=True)
        if any(side):
            rank = 0
            for at, line in zip(places, lines, strict=True):
                rank = rank * len(line) + at
            yield HaloPiece(rank, side, cells)


def _by(size: Size) -> str:
    return " x ".join(map(str, size))
