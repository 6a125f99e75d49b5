"""Answer what lies beyond the edge of the grid.

On a torus the last cell of an axis is followed by the first, at any radius, also where the
radius exceeds the side. Other boundaries are the same object with another answer, and each
axis may have its own. Rules never pad: they ask the topology for a neighbourhood.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.rim import Rim, extended, pads_at_once
from nca.errors import ShapeError
from nca.types import Boundary

Extend: TypeAlias = Callable[[Tensor, int, int, Boundary], Tensor]
"""Add so many cells to both ends of a dimension, as a boundary says."""

Offset: TypeAlias = tuple[int, ...]
"""Where a neighbour stands, seen from the cell: cells along each axis of the grid."""

_CORRELATE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@dataclass(frozen=True)
class Topology:
    """The boundary of every axis of the grid.

    Args:
        boundaries: One answer for all axes, or one for each, in the order of the axes:
            `torus` wraps, `zeros` is empty, `reflect` mirrors without repeating the edge cell,
            `replicate` repeats the edge cell.
        extend: What adds the cells beyond the edge; where a grid is split among processes, it
            asks those that hold them.

    Raises:
        ShapeError: A boundary that does not exist.
    """

    boundaries: Boundary | tuple[Boundary, ...] = "torus"
    extend: Extend = field(default=extended, repr=False)

    def __post_init__(self) -> None:
        """Refuse unknown boundaries."""
        given = (self.boundaries,) if isinstance(self.boundaries, str) else self.boundaries
        for boundary in given:
            if boundary not in get_args(Boundary):
                raise ShapeError(
                    f"there is no boundary {boundary!r}.",
                    where=f"Topology({self.boundaries!r})",
                    to_do=f"choose among {', '.join(get_args(Boundary))}",
                )

    @property
    def local(self) -> bool:
        """Whether all cells of the grid are at hand."""
        return self.extend is extended

    def of(self, axes: int) -> tuple[Boundary, ...]:
        """Return one boundary for each of `axes` axes.

        Raises:
            ShapeError: The topology names another number of axes.
        """
        if isinstance(self.boundaries, str):
            return (self.boundaries,) * axes
        if len(self.boundaries) != axes:
            raise ShapeError(
                f"the topology names {len(self.boundaries)} axes, but the grid has {axes}.",
                where=f"Topology({self.boundaries!r})",
                to_do="name one boundary for all axes, or one for each axis of the grid",
            )
        return self.boundaries

    def pad(self, tensor: Tensor, radius: int | Sequence[int]) -> Tensor:
        """Return `(B, C, *space)` with `radius` more cells on both ends of each axis.

        Args:
            tensor: Any tensor of shape `(B, C, *space)`.
            radius: Cells to add, one number for all axes or one for each.
        """
        axes = tensor.ndim - 2
        radii = (radius,) * axes if isinstance(radius, int) else tuple(radius)
        if self.local and pads_at_once(tensor):
            return Rim(self.of(axes), radii).padded(tensor)
        for axis, (boundary, reach) in enumerate(zip(self.of(axes), radii, strict=True)):
            if reach:
                tensor = self.extend(tensor, axis + 2, reach, boundary)
        return tensor

    def shift(self, tensor: Tensor, offset: Sequence[int]) -> Tensor:
        """Move the content of `(B, C, *space)` by `offset` cells; what moves in is the boundary's.

        Args:
            tensor: Any tensor of shape `(B, C, *space)`.
            offset: Cells to move along each axis, such as `(dy, dx)`; any integer.
        """
        for axis, (boundary, by) in enumerate(zip(self.of(tensor.ndim - 2), offset, strict=True)):
            side = tensor.shape[axis + 2]
            if boundary == "torus" and self.local:
                tensor = tensor.roll(by, axis + 2)
            elif by:
                reach = abs(by)
                padded = self.extend(tensor, axis + 2, reach, boundary)
                tensor = padded.narrow(axis + 2, reach - by, side)
        return tensor

    def neighbours(self, tensor: Tensor, radius: int = 1) -> Tensor:
        """Return the neighbourhood of each cell, the cell itself included.

        Args:
            tensor: `(B, C, *space)`.
            radius: Reach in cells along each axis (Chebyshev distance).

        Returns:
            `(B, N, C, *space)` with `N = (2 radius + 1) ** axes`, in raster order of the offset:
            for radius 1 in two axes neighbour 0 stands at `(-1, -1)`, 4 is the cell, 8 `(1, 1)`.
        """
        return torch.stack(windows(self.pad(tensor, radius), radius), dim=1)

    def correlate(
        self, tensor: Tensor, weight: Tensor, bias: Tensor | None = None, *, groups: int = 1
    ) -> Tensor:
        """Correlate `(B, C, *space)` with an odd-sided kernel; the grid keeps its size.

        Args:
            tensor: `(B, C, *space)`.
            weight: `(C out, C in / groups, *kernel)`, every side odd; not flipped.
            bias: `(C out)`.
            groups: Into how many separate groups the channels fall.
        """
        radii = [side // 2 for side in weight.shape[2:]]
        return correlate_valid(self.pad(tensor, radii), weight, bias, groups=groups)

    def maximum(self, tensor: Tensor, radius: int = 1) -> Tensor:
        """Return the maximum over the neighbourhood of each cell, `(B, C, *space)`."""
        if radius == 0:
            return tensor
        highest = self.pad(tensor, radius)
        # one axis after the other: ten times as fast as max_pool2d on a CPU
        for axis, side in enumerate(tensor.shape[2:], start=2):
            cuts = [highest.narrow(axis, start, side) for start in range(2 * radius + 1)]
            highest = functools.reduce(torch.maximum, cuts)
        return highest


TORUS = Topology("torus")


def windows(padded: Tensor, radius: int | Sequence[int]) -> list[Tensor]:
    """Cut `(B, C, *space + 2 radius)` into views, one `(B, C, *space)` for each neighbour."""
    radii = (radius,) * (padded.ndim - 2) if isinstance(radius, int) else tuple(radius)
    cuts = []
    for corner in itertools.product(*(range(2 * reach + 1) for reach in radii)):
        cut = padded
        for axis, (start, reach) in enumerate(zip(corner, radii, strict=True), start=2):
            cut = cut.narrow(axis, start, padded.shape[axis] - 2 * reach)
        cuts.append(cut)
    return cuts


def correlate_valid(
    padded: Tensor, weight: Tensor, bias: Tensor | None = None, *, groups: int = 1
) -> Tensor:
    """Correlate where the kernel fits wholly: what is left of `correlate` after padding."""
    return _CORRELATE[padded.ndim - 2](padded, weight, bias, groups=groups)


def stencils_valid(padded: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel with each of K kernels, where they fit wholly.

    Args:
        padded: `(B, C, *space + 2 radius)`.
        kernels: `(K, *kernel)`, every side odd; not flipped.

    Returns:
        `(B, K * C, *space)`, all channels through kernel 0, then through kernel 1.
    """
    channels, each = padded.shape[1], kernels.to(padded.dtype)[:, None, None]  # (K, 1, 1, *kernel)
    spread = each.expand(-1, channels, *each.shape[2:])
    if padded.device.type == "cpu" and padded.ndim == 4 and padded.dtype != torch.float64:
        # forth and back three times as fast as one with several kernels to a channel
        if torch.is_autocast_enabled("cpu"):  # once, or each would cast, and keep, its own
            padded = padded.to(torch.get_autocast_dtype("cpu"))
        seen = [correlate_valid(padded, kernel, groups=channels) for kernel in spread]
        return torch.cat(seen, dim=1)
    seen = correlate_valid(padded, spread.transpose(0, 1).flatten(0, 1), groups=channels)
    return seen.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1, 2)


def reach_of(offsets: Sequence[Offset]) -> int:
    """Return how many cells away the farthest of some offsets stands, along any axis."""
    return max((abs(by) for offset in offsets for by in offset), default=0)


def raster_place(offset: Offset, radius: int) -> int:
    """Return where an offset stands among the neighbours of a radius, in raster order."""
    place = 0
    for by in offset:
        place = place * (2 * radius + 1) + by + radius
    return place
