"""What cells of other programs perceive, in terms of what ours do.

Ours perceive, channel by channel: the channel, its Sobel slopes along x and y divided by 8, and on
request its Laplacian divided by 8. Others keep all channels of a kernel together, leave out the
division, take y before x, or let an axis point the other way: each is another first layer for the
same automaton.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import StringConstraints
from torch import Tensor

from nca import stencils

Order: TypeAlias = Literal["channel", "kernel"]
Slopes: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(-?x-?y|-?y-?x)$")]
"""Their two slopes in the order of their features; `-` where the axis points the other way."""

EXACT = 1e-4
"""Up to which error kernels are a mixture of ours."""


@dataclass(frozen=True)
class Features:
    """How the features of a first layer are laid out.

    Attributes:
        order: Whether the features of a `channel`, or of a `kernel`, lie together.
        matrix: `(kernels, kernels)`: row i says how their kernel i is mixed of ours.
    """

    order: Order
    matrix: Tensor

    def in_our_terms(self, weight: Tensor) -> Tensor:
        """Return a first layer `(out, kernels * channels)` that is given our features."""
        count = len(self.matrix)
        if self.order == "channel":
            theirs = weight.unflatten(1, (-1, count))  # (out, channel, kernel)
        else:
            theirs = weight.unflatten(1, (count, -1)).transpose(1, 2)
        return (theirs @ self.matrix).flatten(1)


def mixed(count: int, slopes: str, gain: float) -> Tensor:
    """Return the matrix of features that differ from ours by the order, sign and size of slopes.

    Args:
        count: 3, or 4 with the Laplacian.
        slopes: As of `Slopes`.
        gain: How many times ours their slopes and Laplacian are.
    """
    matrix = torch.eye(count)
    matrix[1:3] = 0
    for row, part in enumerate(re.findall("-?[xy]", slopes), 1):
        matrix[row, 1 if part[-1] == "x" else 2] = -1 if part[0] == "-" else 1
    matrix[1:] *= gain
    return matrix


def from_kernels(kernels: Tensor) -> Tensor | None:
    """Return the matrix of features that are perceived through given kernels.

    Args:
        kernels: `(kernels, 3, 3)`.

    Returns:
        `(kernels, kernels)`; None: they are no mixtures of identity, slopes and Laplacian.
    """
    count = len(kernels)
    ours = [stencils.identity(2), *stencils.gradients(2), stencils.laplacian(2)][:count]
    basis = torch.stack(ours).flatten(1)
    theirs = kernels.double().flatten(1)
    matrix = theirs @ torch.linalg.pinv(basis)
    close = torch.allclose(matrix @ basis, theirs, rtol=0, atol=EXACT * float(theirs.abs().max()))
    return matrix.float() if close else None


def stored_kernels(
    tensors: Mapping[str, Tensor], count: int, channels: int
) -> Iterator[tuple[str, Tensor, bool]]:
    """Yield what could be the kernels of perception: name, `(count, 3, 3)`, whether by channel.

    A depthwise convolution `(channels * count, 1, 3, 3)` keeps the features of a channel together.
    """
    for name, tensor in tensors.items():
        if tensor.shape[-2:] != (3, 3) or not tensor.is_floating_point():
            continue
        flat = tensor.reshape(-1, 3, 3)
        if len(flat) == count:
            yield name, flat, False
        elif tensor.shape == (count * channels, 1, 3, 3):
            each = flat.unflatten(0, (channels, count))
            if torch.equal(each, each[:1].expand_as(each)):
                yield name, each[0], True
