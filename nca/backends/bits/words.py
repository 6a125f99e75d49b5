"""Cells packed into words of 64 bits, and the words beyond the edges of the grid.

The first axis, of H cells, is cut into up to 64 parts of L rows: bit j of word row i is cell
`j * L + i`. So the neighbours of a word's cells along any axis are the cells of another word; only
where a part ends do bits move, into the part before or after.

Legend: B batch, P plane of bits, H cells along the first axis, L rows of words, R radius.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from nca.engine.topology import Topology
from nca.types import Size

WORD = 64

Source: TypeAlias = int | None
"""The cell of the grid that one beyond its edge repeats; None: it is 0."""


@dataclass(frozen=True)
class WordGrid:
    """How the cells of a grid lie in words, with a rim of R words on every side.

    Attributes:
        size: Cells along each axis.
        topology: What lies beyond the edge; all of the grid is at hand.
        radius: R, at least 1.
    """

    size: Size
    topology: Topology
    radius: int

    @property
    def rows(self) -> int:
        """How many rows of words the first axis takes: L."""
        return max(-(-self.size[0] // WORD), self.radius)

    @property
    def parts(self) -> int:
        """How many bits of a word are used."""
        return -(-self.size[0] // self.rows)

    def pack(self, bits: Tensor) -> Tensor:
        """Return `(B, P, *space)` of bits as words with room for a rim, `(B, P, L + 2R, ...)`."""
        batch, planes, height, *others = bits.shape
        whole = bits.new_zeros((batch, planes, WORD * self.rows, *others), dtype=torch.uint8)
        whole[:, :, :height] = bits
        parts = whole.unflatten(2, (8, 8, self.rows))
        places = torch.arange(8, device=bits.device, dtype=torch.uint8)
        places = places.view(1, 1, 1, 8, *(1,) * (parts.ndim - 4))
        packed = (parts << places).sum(dim=3, dtype=torch.uint8)  # (B, P, 8, L, ...)
        packed = packed.movedim(2, -1)  # the eight bytes of a word side by side
        words = packed.flatten().view(torch.int64).view(packed.shape[:-1])
        shape = [side + 2 * self.radius for side in words.shape[2:]]
        room = words.new_zeros((batch, planes, *shape))
        self.inside(room).copy_(words)
        return room

    def unpack(self, room: Tensor) -> Tensor:
        """Return the bits of words, uint8 `(B, P, *space)`; see `pack`."""
        words = self.inside(room).clone(memory_format=torch.contiguous_format)
        packed = words.flatten().view(torch.uint8).view(*words.shape, 8)
        packed = packed.movedim(-1, 2).unsqueeze(3)
        places = torch.arange(8, device=room.device, dtype=torch.uint8)
        parts = packed >> places.view(1, 1, 1, 8, *(1,) * (packed.ndim - 4)) & 1
        return parts.flatten(2, 4)[:, :, : self.size[0]]

    def inside(self, room: Tensor) -> Tensor:
        """Return the words without their rim, as a view."""
        for axis in range(2, room.ndim):
            room = room.narrow(axis, self.radius, room.shape[axis] - 2 * self.radius)
        return room

    def fill_rim(self, room: Tensor) -> None:
        """Write into the rim what lies beyond the edge of the grid.

        The first axis comes first: the corners are then taken from its rim.
        """
        self._fill_rows(room)
        for axis in range(1, len(self.size)):
            for place, source in self._sources[axis]:
                edge = room.select(axis + 2, place + self.radius)
                if source is None:
                    edge.zero_()
                else:
                    edge.copy_(room.select(axis + 2, source + self.radius))

    def _fill_rows(self, room: Tensor) -> None:
        """Write the rows beyond both ends of the first axis, and of each of its parts."""
        radius, rows = self.radius, self.rows
        beyond = [(*self._place(at), self._held(room, source)) for at, source in self._sources[0]]
        for row, bit, value in beyond:  # the last part may be shorter than the others
            if 0 <= row < rows:
                _set_bit(room.select(2, radius + row), bit, value)
        for by in range(radius):
            # the last rows of each part lie above the next, and its first below the one before
            last, first = room.select(2, rows + by), room.select(2, radius + by)
            torch.bitwise_left_shift(last, 1, out=room.select(2, by))
            torch.bitwise_right_shift(first, 1, out=room.select(2, radius + rows + by))
        for row, bit, value in beyond:
            if not 0 <= row < rows:
                _set_bit(room.select(2, radius + row), bit, value)

    def _place(self, cell: int) -> tuple[int, int]:
        """Return the row and the bit at which a cell beyond the first axis is read."""
        bit = 0 if cell < 0 else self.parts - 1
        return cell - bit * self.rows, bit

    def _held(self, room: Tensor, source: Source) -> Tensor | None:
        """Return what the cells hold that those beyond the first axis repeat, 0 or 1; None: 0."""
        if source is None:
            return None
        bit, row = divmod(source, self.rows)
        return (room.select(2, self.radius + row) >> bit).bitwise_and_(1)

    @cached_property
    def _sources(self) -> list[list[tuple[int, Source]]]:
        """The cells beyond both ends of each axis, each with the one that it repeats."""
        return [self._beyond(axis) for axis in range(len(self.size))]

    def _beyond(self, axis: int) -> list[tuple[int, Source]]:
        side, radius = self.size[axis], self.radius
        line = torch.arange(1.0, side + 1).view(1, 1, side)
        padded = Topology(self.topology.of(len(self.size))[axis]).pad(line, radius)
        numbers = [int(number) - 1 for number in padded.flatten().tolist()]
        places = [*range(-radius, 0), *range(side, side + radius)]
        sources = [*numbers[:radius], *numbers[side + radius :]]
        return [(p, s if s >= 0 else None) for p, s in zip(places, sources, strict=True)]


def _set_bit(words: Tensor, bit: int, value: Tensor | None) -> None:
    """Write 0 or 1 into a bit of words; None: 0."""
    words.bitwise_and_(_signed(~(1 << bit)))
    if value is not None:
        words.bitwise_or_(value.bitwise_left_shift_(bit) if bit else value)


def _signed(word: int) -> int:
    """Return the bits of a whole number as int64 holds them."""
    word &= (1 << WORD) - 1
    return word - (1 << WORD) if word >> (WORD - 1) else word
