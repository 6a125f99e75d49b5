"""The halo of a block: the cells around it that other processes hold, of all levels at once.

`nca.distributed.halo` extends one tensor along one axis, and waits. Here one message to and from
each neighbour, corners included, brings all that a step can see from a block, and is under way
while the inside of the block is stepped. Backward, the gradient of the halo goes home while that of
the inside is computed: what is begun later in the forward pass comes first on the way back.

Places are counted in cells of scale 1 from the first cell of the block; before it they are
negative.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.distributed.halo import Transfer
from nca.engine.state import State
from nca.engine.window import Window
from nca.types import Size

Region: TypeAlias = tuple[slice, ...]
"""Cells along each axis, from one place to before another."""

Side: TypeAlias = tuple[int, ...]
"""Where cells lie, seen from a block: -1 before it, 0 beside or in it, 1 behind it on each axis."""

_Parts: TypeAlias = dict[Side, Tensor]
"""Parts of a region of a tensor: what of it is in the block, and the pieces of the halo."""


@dataclass(frozen=True)
class HaloPiece:
    """Cells of one process in the halo of another.

    Attributes:
        rank: The other process, for either of the two.
        side: Where they lie, seen from the block whose halo it is.
        cells: Where they lie in the block that has them.
    """

    rank: int
    side: Side
    cells: Region


@dataclass(frozen=True)
class BlockHalo:
    """The halo of a process's block.

    Attributes:
        block: Cells of the block along each axis.
        margins: Cells of the halo before and behind it, along each axis.
        taken: The pieces of its halo.
        given: The pieces of this block in the halos of others.
    """

    block: Size
    margins: tuple[tuple[int, int], ...]
    taken: tuple[HaloPiece, ...]
    given: tuple[HaloPiece, ...]

    @property
    def own(self) -> Region:
        """The block."""
        return tuple(slice(0, side) for side in self.block)

    @property
    def whole(self) -> Region:
        """The block with its halo."""
        return self.around(self.own)

    @property
    def interior(self) -> Region:
        """The cells of the block that see none of its halo."""
        pairs = zip(self.block, self.margins, strict=True)
        return tuple(slice(low, side - high) for side, (low, high) in pairs)

    def rim(self, axis: int) -> tuple[list[Region], list[Region]]:
        """Return the strips of cells that see the halo before the block, and behind it, on an axis.

        They are as long as the interior along earlier axes, and as the block along later ones;
        there is none where the grid ends.
        """
        side, (low, high) = self.block[axis], self.margins[axis]
        strips = [slice(0, low)] * bool(low), [slice(side - high, side)] * bool(high)
        before, after = self.interior[:axis], self.own[axis + 1 :]
        first, last = ([(*before, strip, *after) for strip in each] for each in strips)
        return first, last

    def stretch(self, axis: int, side: int) -> slice:
        """Return the places along an axis that lie on a side of the block, or in it."""
        block, (low, high) = self.block[axis], self.margins[axis]
        return (slice(-low, 0), slice(0, block), slice(block, block + high))[side + 1]

    def meeting(self, cut: slice, axis: int, side: int) -> slice | None:
        """Return which places of a cut along an axis lie on a side, if any."""
        there = self.stretch(axis, side)
        shared = slice(max(cut.start, there.start), min(cut.stop, there.stop))
        return shared if shared.start < shared.stop else None

    def inside(self, region: Region) -> Region:
        """Return which cells of a region are the block's own."""
        met = (self.meeting(cut, axis, 0) for axis, cut in enumerate(region))
        return tuple(cut or slice(0, 0) for cut in met)

    def around(self, region: Region) -> Region:
        """Return what cells of the block see: of the block and its halo, as far as that goes."""
        found = []
        for cut, side, (low, high) in zip(region, self.block, self.margins, strict=True):
            reach = max(low, high)
            found.append(slice(max(cut.start - reach, -low), min(cut.stop + reach, side + high)))
        return tuple(found)


class HaloExchange:
    """The exchange of the halos of blocks: begun when it is made, and ended when it is left.

    Args:
        halo: That of this process's block.
        state: The block.
        regions: What will be asked for, of the block and its halo.
    """

    def __init__(self, halo: BlockHalo, state: State, regions: Sequence[Region]) -> None:
        self._halo, self._state, self._regions = halo, state, list(regions)
        tensors = tensors_of(state)
        near = [halo.inside(region) for region in regions]
        self._messages = _Messages(halo, tensors)
        made: tuple[Tensor, ...] = _Begin.apply(self._messages, near, *tensors)  # pyright: ignore
        self._token, own, side = made[0], iter(made[1:]), (0,) * len(halo.block)
        self._parts: list[list[_Parts]] = [[{side: next(own)} for _ in tensors] for _ in regions]

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None
    ) -> None:
        """Wait for messages that a fault has left under way, or later ones would be taken for."""
        if self._messages.forth is not None:
            self._messages.forth.wait()

    def wait(self) -> None:
        """Wait until the halo is here."""
        come: tuple[Tensor, ...] = _Wait.apply(self._messages, self._token)  # pyright: ignore
        for rank, message in zip(self._messages.taken, come, strict=True):
            for number, piece, part in self._messages.parts(self._halo.taken, rank, message):
                for parts in self._parts:
                    parts[number][piece.side] = part

    def region(self, region: Region) -> State:
        """Return cells of the block and its halo as a state that knows where it lies."""
        held = self._parts[self._regions.index(region)]
        joined = [self._joined(parts, region, ()) for parts in held]
        return moved(with_tensors(self._state, joined), tuple(cut.start for cut in region))

    def _joined(self, parts: _Parts, region: Region, side: Side = ()) -> Tensor:
        """Return a region of a tensor from its parts, those on a side along earlier axes."""
        axis = len(side)
        if axis < len(region):
            sides = ((*side, where) for where in (-1, 0, 1))
            found = [
                self._joined(parts, region, each)
                for each in sides
                if self._halo.meeting(region[axis], axis, each[axis])
            ]
            return found[0] if len(found) == 1 else torch.cat(found, axis + 2)
        part = parts[side]
        if any(side):  # of the block itself it is just what is asked for
            for axis, (cut, where) in enumerate(zip(region, side, strict=True)):
                stretch = self._halo.stretch(axis, where)
                scale = (stretch.stop - stretch.start) // part.shape[axis + 2]
                shared = self._halo.meeting(cut, axis, where)
                assert shared is not None
                first, length = shared.start - stretch.start, shared.stop - shared.start
                part = part.narrow(axis + 2, first // scale, length // scale)
        return part


class _Messages:
    """What an exchange sends forth, and its gradient back; what is under way is kept here."""

    def __init__(self, halo: BlockHalo, tensors: Sequence[Tensor]) -> None:
        self.halo = halo
        self.shapes = [tensor.shape for tensor in tensors]
        self.like = tensors[0].new_empty(0)
        self.taken = {r: [sum(self._counts(halo.taken, r))] for r in _ranks(halo.taken)}
        self.given = {r: [sum(self._counts(halo.given, r))] for r in _ranks(halo.given)}
        self.forth: Transfer | None = None
        self.back: Transfer | None = None

    def order(self, pieces: Sequence[HaloPiece], rank: int) -> list[tuple[int, HaloPiece]]:
        """Return what a message holds, in its order: of each tensor, by number, each piece."""
        return list(
            itertools.product(range(len(self.shapes)), (p for p in pieces if p.rank == rank))
        )

    def cells(self, number: int, region: Region) -> tuple[slice, ...]:
        """Return where a region of the block that has it lies in a tensor."""
        scale = self.halo.block[0] // self.shapes[number][2]
        cuts = (slice(cut.start // scale, cut.stop // scale) for cut in region)
        return (slice(None), slice(None), *cuts)

    def parts(
        self, pieces: Sequence[HaloPiece], rank: int, message: Tensor
    ) -> Iterator[tuple[int, HaloPiece, Tensor]]:
        """Yield what a message holds; see `order`."""
        split = message.split(self._counts(pieces, rank))
        for (number, piece), numbers in zip(self.order(pieces, rank), split, strict=True):
            yield number, piece, numbers.view(self._shape(number, piece))

    def _shape(self, number: int, piece: HaloPiece) -> list[int]:
        _, _, *cuts = self.cells(number, piece.cells)
        return [*self.shapes[number][:2], *(cut.stop - cut.start for cut in cuts)]

    def _counts(self, pieces: Sequence[HaloPiece], rank: int) -> list[int]:
        return [torch.Size(self._shape(*each)).numel() for each in self.order(pieces, rank)]


class _Begin(torch.autograd.Function):
    """Begin the exchange, and copy regions of the block; backward, wait for what was given."""

    @staticmethod
    def forward(
        ctx: Any, messages: _Messages, near: Sequence[Region], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.messages, ctx.near = messages, near
        given, cells = messages.halo.given, messages.cells
        sent = {
            rank: torch.cat(
                [tensors[n][cells(n, p.cells)].flatten() for n, p in messages.order(given, rank)]
            )
            for rank in messages.given
        }
        messages.forth = Transfer(sent, messages.taken, like=messages.like)
        copies = [tensor[cells(n, r)].clone() for r in near for n, tensor in enumerate(tensors)]
        return messages.like.new_zeros(()), *copies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor, *copies: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        messages: _Messages = ctx.messages
        gradients = [messages.like.new_zeros(shape) for shape in messages.shapes]
        places = itertools.product(ctx.near, range(len(gradients)))
        for (region, number), copy in zip(places, copies, strict=True):
            gradients[number][messages.cells(number, region)] += copy
        assert messages.back is not None
        home, messages.back = messages.back.wait(), None
        for rank, message in home.items():
            for number, piece, part in messages.parts(messages.halo.given, rank, message):
                gradients[number][messages.cells(number, piece.cells)] += part
        return None, None, *gradients


class _Wait(torch.autograd.Function):
    """Wait for the halo; backward, begin to send its gradient home."""

    @staticmethod
    def forward(ctx: Any, messages: _Messages, token: Tensor) -> tuple[Tensor, ...]:
        ctx.messages = messages
        assert messages.forth is not None
        come, messages.forth = messages.forth.wait(), None
        return tuple(come[rank] for rank in messages.taken)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        messages: _Messages = ctx.messages
        sent = dict(zip(messages.taken, gradients, strict=True))
        messages.back = Transfer(sent, messages.given, like=messages.like)
        return None, messages.like.new_zeros(())


def tensors_of(state: State) -> list[Tensor]:
    """Return the tensors of all levels, remembered ones too."""
    found: list[Tensor] = []
    state.map(lambda tensor: (found.append(tensor), tensor)[1])
    return found


def with_tensors(state: State, tensors: Sequence[Tensor]) -> State:
    """Return the state with others in the places of those that `tensors_of` returns."""
    given = iter(tensors)
    return state.map(lambda _: next(given))


def moved(state: State, by: Sequence[int]) -> State:
    """Return the state of a window with that window moved by so many cells along each axis."""
    window = state.window
    assert window is not None
    start = tuple(first + cells for first, cells in zip(window.start, by, strict=True))
    return state.replace(window=Window(start, window.whole))


def _ranks(pieces: Sequence[HaloPiece]) -> list[int]:
    return sorted({piece.rank for piece in pieces})
