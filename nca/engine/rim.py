"""The rim around a grid: the cells beyond its edge, copied from those that lie there.

`extended` adds them axis by axis, and copies the grid each time; a `Rim` pads all axes at once,
with a gradient of its own, where the channels of a cell lie side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from nca.types import Boundary, Size


def extended(tensor: Tensor, dim: int, radius: int, boundary: Boundary) -> Tensor:
    """Add so many cells to both ends of a dimension of a grid that is all at hand."""
    side = tensor.shape[dim]
    match boundary:
        case "torus":
            # no divmod: while a step is exported, a side is a symbol that knows none
            laps, rest = radius // side, radius % side
            whole = [tensor] * (2 * laps + 1)
            head = tensor.narrow(dim, side - rest, rest)
            tail = tensor.narrow(dim, 0, rest)
            return torch.cat([head, *whole, tail] if rest else whole, dim)
        case "zeros":
            shape = list(tensor.shape)
            shape[dim] = radius
            edge = tensor.new_zeros(shape)
            return torch.cat([edge, tensor, edge], dim)
        case "replicate":
            shape = list(tensor.shape)
            shape[dim] = radius
            first, last = tensor.narrow(dim, 0, 1), tensor.narrow(dim, side - 1, 1)
            return torch.cat([first.expand(shape), tensor, last.expand(shape)], dim)
        case "reflect":
            period = max(2 * (side - 1), 1)
            place = torch.arange(-radius, side + radius, device=tensor.device).remainder(period)
            return tensor.index_select(dim, torch.minimum(place, period - place).clamp(0, side - 1))


@dataclass(frozen=True)
class Rim:
    """The cells beyond the edge of a grid.

    Attributes:
        boundaries: What lies there, for each axis.
        reach: How many cells, at both ends of each axis.
    """

    boundaries: tuple[Boundary, ...]
    reach: Size

    def padded(self, tensor: Tensor) -> Tensor:
        """Return `(B, C, *space)` with its rim; for a tensor that `pads_at_once` allows."""
        return _Pad.apply(tensor, self) if any(self.reach) else tensor  # pyright: ignore

    def pad(self, level: Tensor) -> Tensor:
        """Return `(B, *space, C)` with its rim, `(B, *space and rim, C)`."""
        batch, *size, channels = level.shape
        if not any(self.reach):
            return level
        sides = [side + 2 * reach for side, reach in zip(size, self.reach, strict=True)]
        padded = level.new_empty(batch, *sides, channels)
        inner(padded, self.reach).copy_(level)
        for dim, pairs in _sources(self.boundaries, self.reach, tuple(size)):
            narrowed = self._rows(padded, dim, size)
            for beyond, source in pairs:
                if source is None:
                    narrowed.select(dim, beyond).zero_()
                else:
                    narrowed.select(dim, beyond).copy_(narrowed.select(dim, source))
        return padded

    def fold(self, padded: Tensor) -> Tensor:
        """Return the gradient of a grid from that of the padded one, which it overwrites."""
        size = tuple(side - 2 * r for side, r in zip(padded.shape[1:-1], self.reach, strict=True))
        for dim, pairs in reversed(_sources(self.boundaries, self.reach, tuple(size))):
            narrowed = self._rows(padded, dim, size)
            for beyond, source in pairs:
                if source is not None:
                    narrowed.select(dim, source).add_(narrowed.select(dim, beyond))
        return inner(padded, self.reach)

    def _rows(self, padded: Tensor, dim: int, size: Sequence[int]) -> Tensor:
        """Return the part of a padded grid that has its rim along earlier axes alone."""
        for later in range(dim + 1, padded.ndim - 1):
            padded = padded.narrow(later, self.reach[later - 1], size[later - 1])
        return padded


def inner(padded: Tensor, reach: Size) -> Tensor:
    """Return the grid inside `(B, *space and rim, C)`, a view."""
    for dim, r in enumerate(reach, start=1):
        padded = padded.narrow(dim, r, padded.shape[dim] - 2 * r)
    return padded


@lru_cache(maxsize=64)
def _sources(
    boundaries: tuple[Boundary, ...], reach: Size, size: Size
) -> list[tuple[int, list[tuple[int, int | None]]]]:
    """Return, for each axis, which place beyond the edge holds what place; None: it is empty."""
    found = []
    for dim, (side, r, boundary) in enumerate(zip(size, reach, boundaries, strict=True), start=1):
        places = extended(torch.arange(1, side + 1), 0, r, boundary).tolist()
        rim = [*range(r), *range(r + side, 2 * r + side)]
        found.append((dim, [(p, places[p] + r - 1 if places[p] else None) for p in rim]))
    return found


class _Pad(torch.autograd.Function):
    """Padding, whose gradient is folding."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, rim: Rim) -> Tensor:
        ctx.rim = rim
        return rim.pad(tensor.movedim(1, -1)).movedim(-1, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Fold.apply(gradients[0], ctx.rim), None  # pyright: ignore[reportReturnType]


class _Fold(torch.autograd.Function):
    """Folding, whose gradient is padding."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, rim: Rim) -> Tensor:
        ctx.rim = rim
        copy = gradient.movedim(1, -1).clone(memory_format=torch.contiguous_format)
        return rim.fold(copy).movedim(-1, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        contiguous = gradients[0].movedim(1, -1).contiguous().movedim(-1, 1)
        return _Pad.apply(contiguous, ctx.rim), None  # pyright: ignore[reportReturnType]


def pads_at_once(tensor: Tensor) -> bool:
    """Return whether a `Rim` pads a tensor: on a CPU, the channels of a cell side by side."""
    if torch.compiler.is_compiling() or tensor.device.type != "cpu" or transformed():
        return False
    return type(tensor) is Tensor and tensor.movedim(1, -1).is_contiguous()


def transformed() -> bool:
    """Return whether a transform of torch.func, or forward differentiation, is under way.

    Then nodes of autograd that this project writes cannot be had, whatever tensor is followed.
    """
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
