"""Tensors that are read piece by piece, since they are large, or whole in no process."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PIECE = 1 << 20
"""Bytes of a piece, at most, unless one row has more."""


@dataclass(frozen=True)
class TensorPieces:
    """A tensor as its pieces along the first axis.

    Attributes:
        shape: Of the whole.
        dtype: Of its numbers.
        make: Returns the piece that begins with one row and ends before another. Of several
            processes all must ask for the same pieces; the first of them gets them.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    make: Callable[[int, int], Tensor]

    @classmethod
    def of(cls, tensor: Tensor) -> "TensorPieces":
        """Return the pieces of a tensor."""
        if not tensor.ndim:
            return cls((), tensor.dtype, lambda start, stop: tensor.detach())
        return cls(
            tuple(tensor.shape), tensor.dtype, lambda start, stop: tensor.detach()[start:stop]
        )

    @property
    def bytes(self) -> int:
        """How many bytes the whole takes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the pieces, one after the other."""
        rows = self.shape[0] if self.shape else 1
        at_once = max(1, PIECE * rows // max(self.bytes, 1))
        for start in range(0, rows, at_once):
            yield self.make(start, min(start + at_once, rows))
