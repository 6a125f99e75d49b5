"""Lay weights out as a graphics card reads them: four numbers at once, a texel.

Channels stand in groups of four, filled up with zeros. For each group of outputs and each input
one texel holds the four weights that lead from that input to the group.

Legend: O outputs, I inputs, J groups of outputs, G groups of inputs, N neighbour.
"""

import base64
from collections.abc import Sequence

import torch
from torch import Tensor

from nca.engine.program import Correlation, Layer, Stencils


def groups(channels: int) -> int:
    """Return how many groups of four hold so many channels."""
    return -(-channels // 4)


def base64_of(tensor: Tensor) -> str:
    """Return float32 numbers, little-endian, in base64."""
    flat = tensor.detach().to("cpu", torch.float32).contiguous().reshape(-1)
    return base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode()


def numbers_of(text: str) -> Tensor:
    """Return what `base64_of` made of float32 numbers."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)


class Packer:
    """Gather texels of all layers, one after the other."""

    def __init__(self) -> None:
        self.parts: list[Tensor] = []
        self.texels = 0

    def add(self, part: Tensor) -> int:
        """Append `(..., 4)` and return the number of its first texel."""
        start = self.texels
        flat = part.detach().to("cpu", torch.float32).reshape(-1, 4)
        self.parts.append(flat)
        self.texels += len(flat)
        return start

    def bias(self, bias: Tensor | None, outputs: int) -> int:
        """Append `(O)`, or zeros, as `(J, 4)`."""
        given = torch.zeros(outputs) if bias is None else bias
        return self.add(_filled(given, 0).view(-1, 4))

    def layer(self, layer: Layer, order: Sequence[int] | None = None) -> int:
        """Append `(O, I)` as `(J, I filled up, 4)`.

        Args:
            layer: Its weights.
            order: Which input stands at each place, -1: none; as they come if None.
        """
        weight = layer.weight if order is None else _ordered(layer.weight, order)
        return self.add(_by_group(_filled(weight, 1)))

    def correlation(self, sight: Correlation) -> int:
        """Append `(O, I, *kernel)` as `(N, G, J, 4 inputs, 4 outputs)`."""
        weight = _filled(_filled(sight.weight.flatten(2), 1), 0)  # (4 J, 4 G, N)
        parted = weight.unflatten(0, (-1, 4)).unflatten(2, (-1, 4))  # (J, 4, G, 4, N)
        return self.add(parted.permute(4, 2, 0, 3, 1))

    def base64(self) -> str:
        """Return all texels."""
        return base64_of(torch.cat(self.parts)) if self.parts else ""


def perceived_order(sight: Stencils) -> list[int]:
    """Return which feature stands at each place: one of each channel by one, channels filled up."""
    each, filled = sight.each, groups(sight.channels) * 4
    return [
        channel * each + number if channel < sight.channels else -1
        for number in range(each)
        for channel in range(filled)
    ]


def _ordered(weight: Tensor, order: Sequence[int]) -> Tensor:
    zero = weight.new_zeros(len(weight), 1)
    index = torch.tensor(order).remainder(weight.shape[1] + 1)  # -1 becomes the zeros at the end
    return torch.cat([weight.detach(), zero], dim=1)[:, index.to(weight.device)]


def _by_group(weight: Tensor) -> Tensor:
    return _filled(weight, 0).unflatten(0, (-1, 4)).transpose(1, 2)  # (J, I, 4)


def _filled(tensor: Tensor, dim: int) -> Tensor:
    missing = -tensor.shape[dim] % 4
    shape = list(tensor.shape)
    shape[dim] = missing
    return torch.cat([tensor.detach(), tensor.new_zeros(shape)], dim) if missing else tensor
