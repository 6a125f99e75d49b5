"""A window onto a grid: some of its cells, which know where in the whole they are.

A shard of a grid that is split among processes, and a tile of a grid too large for the memory,
are states like any other. Their window sees to it that each of their cells draws the numbers,
and has the coordinates, that it would have had in the whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nca.types import Size


@dataclass(frozen=True)
class Window:
    """Where a block of cells lies in a whole grid.

    Attributes:
        start: The block's first cell along each axis. It may be negative, and the block may reach
            beyond the last cell: what is counted there is the cell on the other side.
        whole: Cells of the whole grid along each axis.
    """

    start: Size
    whole: Size

    def at_scale(self, scale: int) -> "Window":
        """Return the same part of the grid in cells of another scale; see `nca.Level`."""
        if scale == 1:
            return self
        start = tuple(first // scale for first in self.start)
        return Window(start, tuple(side // scale for side in self.whole))

    def places(self, size: Size, like: Tensor) -> list[Tensor]:
        """Return, for each axis, where in the whole the block's cells are: int64 `(side,)`.

        Args:
            size: Cells of the block.
            like: A tensor on the device of the answer.
        """
        return [
            torch.arange(start, start + side, device=like.device).remainder(whole)
            for start, side, whole in zip(self.start, size, self.whole, strict=True)
        ]

    def numbers(self, size: Size, like: Tensor) -> Tensor:
        """Return the numbers that the block's cells have in the whole, int32 `size`."""
        numbers = torch.zeros((), dtype=torch.int64, device=like.device)
        for place, whole in zip(self.places(size, like), self.whole, strict=True):
            numbers = numbers.unsqueeze(-1) * whole + place
        return numbers.to(torch.int32)
