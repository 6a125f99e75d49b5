"""What a cell perceives of its neighbourhood through fixed kernels.

Each channel is correlated with the same few stencils. The features come channel by channel, as
TensorFlow's depthwise convolution orders them: channel 0 through every stencil, then channel 1.
"""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca.engine import stencils
from nca.engine.program import Stencils
from nca.engine.run_program import stencil_features
from nca.engine.view import View

Slopes: TypeAlias = Literal["each", "length"]
"""What is perceived of the slopes: one along every axis, or the length of the gradient alone."""


class StencilPerception(nn.Module):
    """Identity and slopes of every channel, and the Laplacian on request.

    Args:
        channels: Channels of the tensor that is perceived.
        axes: Axes of the grid.
        angle: Turn of the slopes in radians; may be set again at any time (two axes only).
        laplacian: Whether to add the Laplacian as the last feature of each channel.
        slopes: `each`: one along every axis; `length`: the length of the gradient alone,
            `sqrt(gx^2 + gy^2 + 1e-8)`, which tells nothing of directions (Mordvintsev et al.
            2022, arXiv 2205.01681).
        gain: Factor of slopes and Laplacian. With 8 the kernels of two axes have the whole numbers
            of the notebooks on textures and isotropic automata.
    """

    kernels: Tensor

    def __init__(
        self,
        channels: int,
        axes: int,
        *,
        angle: float = 0.0,
        laplacian: bool = False,
        slopes: Slopes = "each",
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.axes = axes
        self.laplacian = laplacian
        self.slopes = slopes
        self.gain = gain
        self.register_buffer("kernels", self._stack(angle), persistent=False)
        self._angle = angle

    @property
    def features(self) -> int:
        """How many numbers a cell perceives."""
        return self.perception("own").features

    @property
    def angle(self) -> float:
        """Turn of the slopes in radians."""
        return self._angle

    @angle.setter
    def angle(self, angle: float) -> None:
        self.kernels = self._stack(angle).to(self.kernels)
        self._angle = angle

    def perception(self, level: str) -> Stencils:
        """Return what is perceived of a level, for a program."""
        if self.slopes == "length":
            return Stencils(level, self.channels, self.kernels, length=self._gradient)
        slopes = (1, 2) if self.axes == 2 else None
        return Stencils(level, self.channels, self.kernels, slopes)

    def forward(self, view: View, tensor: Tensor) -> Tensor:
        """Return the features of `(B, C, *space)`: `(B, C * stencils, *space)`."""
        return torch.stack(stencil_features(self.perception(""), tensor, view), dim=2).flatten(1, 2)

    @property
    def _gradient(self) -> tuple[int, ...]:
        return tuple(range(1, 1 + self.axes))

    def _stack(self, angle: float) -> Tensor:
        differences = stencils.gradients(self.axes, angle)
        if self.laplacian:
            differences.append(stencils.laplacian(self.axes))
        kernels = [stencils.identity(self.axes), *(self.gain * kernel for kernel in differences)]
        return torch.stack(kernels).to(torch.get_default_dtype())


def per_cell(linear: nn.Linear, tensor: Tensor) -> Tensor:
    """Apply one linear layer to every cell of `(B, C, *space)`.

    The automaton lays the channels of a cell side by side, so that this is one matrix product
    without a copy.
    """
    return F.linear(tensor.movedim(1, -1), linear.weight, linear.bias).movedim(-1, 1)


def perceptron(tensor: Tensor, *layers: nn.Linear | tuple[Tensor, Tensor]) -> Tensor:
    """Apply linear layers to every cell of `(B, C, *space)`, one after the other, relu between.

    The units of the hidden layers are bent where they lie: the sums below zero, which no gradient
    asks for, take no memory of their own.

    Args:
        tensor: What the first layer is given.
        layers: Each a module, or its weight `(out, in)` and bias `(out)`.
    """
    cells = tensor.movedim(1, -1)
    now = cells.reshape(-1, cells.shape[-1])
    for number, layer in enumerate(layers):
        weight, bias = layer if isinstance(layer, tuple) else (layer.weight, layer.bias)
        if number:
            now = now.relu_()
        now = torch.addmm(bias, now, weight.T)
    return now.unflatten(0, cells.shape[:-1]).movedim(-1, 1)
