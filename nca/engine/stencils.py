"""Fixed 3-wide kernels for one, two or three axes, scaled as the Distill articles scale them.

A kernel is the outer product of one short filter per axis. The gradient is Sobel's: the slope
`[-1, 0, 1] / 2` along its axis, the blur `[1, 2, 1] / 4` along the others, which makes the
familiar division by 8 in two axes. The Laplacian is twice the blur less the identity:
`[1 2 1; 2 -12 2; 1 2 1] / 8` in two axes. Kernels are correlated, not flipped.
"""

import math
from functools import reduce

import torch
from torch import Tensor

from nca.errors import ShapeError

_BLUR = (0.25, 0.5, 0.25)
_SLOPE = (-0.5, 0.0, 0.5)
_STAY = (0.0, 1.0, 0.0)


def _outer(filters: list[tuple[float, ...]]) -> Tensor:
    lines = [torch.tensor(line, dtype=torch.float64) for line in filters]
    return reduce(lambda grid, line: grid.unsqueeze(-1) * line, lines)


def identity(axes: int) -> Tensor:
    """Return the kernel that reads the cell itself, `(3,) * axes`, float64."""
    return _outer([_STAY] * axes)


def gradient(axes: int, axis: int) -> Tensor:
    """Return the Sobel slope along `axis`, per cell, `(3,) * axes`, float64."""
    return _outer([_SLOPE if i == axis else _BLUR for i in range(axes)])


def laplacian(axes: int) -> Tensor:
    """Return twice the blur less the identity, `(3,) * axes`, float64; it sums to 0."""
    return 2 * (_outer([_BLUR] * axes) - identity(axes))


def gradients(axes: int, angle: float = 0.0) -> list[Tensor]:
    """Return the slopes along all axes, the last axis (x) first, turned by `angle`.

    Args:
        axes: Axes of the grid.
        angle: Turn in radians, in two axes only: `(c gx - s gy, s gx + c gy)` with
            `c = cos(angle)`, `s = sin(angle)` (Mordvintsev et al. 2020, rotating perception).

    Raises:
        ShapeError: An angle in other than two axes.
    """
    slopes = [gradient(axes, axis) for axis in reversed(range(axes))]
    if angle == 0.0:
        return slopes
    if axes != 2:
        raise ShapeError(
            f"perception cannot turn in a grid of {axes} axes.",
            where=f"gradients(axes={axes}, angle={angle})",
            to_do="leave the angle at 0, or use a grid of two axes",
        )
    cosine, sine = math.cos(angle), math.sin(angle)
    x, y = slopes
    return [cosine * x - sine * y, sine * x + cosine * y]


def fold_stencils(first: Tensor, stencils: Tensor | None) -> Tensor:
    """Return a layer over what is perceived as one over the neighbourhood.

    Args:
        first: `(hidden, C, S)`, or without stencils `(hidden, C, *kernel)`.
        stencils: The kernels `(S, *kernel)` through which each channel is perceived, or None.

    Returns:
        A correlation's weight, `(hidden, C, *kernel)`.
    """
    if stencils is None:
        return first
    return torch.einsum("hcs,s...->hc...", first, stencils.to(first))
