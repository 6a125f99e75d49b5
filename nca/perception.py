"""What a cell perceives of its neighbourhood through fixed kernels.

Each channel is correlated with the same few stencils. The features come channel by channel, as
TensorFlow's depthwise convolution orders them: channel 0 through every stencil, then channel 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca import stencils
from nca.formula import OneHidden
from nca.rule import View
from nca.scene import Kernel


class StencilPerception(nn.Module):
    """Identity and slopes of every channel, and the Laplacian on request.

    Args:
        channels: Channels of the tensor that is perceived.
        axes: Axes of the grid.
        angle: Turn of the slopes in radians; may be set again at any time (two axes only).
        laplacian: Whether to add the Laplacian as the last feature of each channel.
    """

    kernels: Tensor

    def __init__(
        self, channels: int, axes: int, *, angle: float = 0.0, laplacian: bool = False
    ) -> None:
        super().__init__()
        self.channels = channels
        self.axes = axes
        self.laplacian = laplacian
        self.register_buffer("kernels", self._stack(angle), persistent=False)
        self._angle = angle

    @property
    def features(self) -> int:
        """How many numbers a cell perceives."""
        return self.channels * self.kernels.shape[0]

    @property
    def angle(self) -> float:
        """Turn of the slopes in radians."""
        return self._angle

    @angle.setter
    def angle(self, angle: float) -> None:
        self.kernels = self._stack(angle).to(self.kernels)
        self._angle = angle

    def forward(self, view: View, tensor: Tensor) -> Tensor:
        """Return the features of `(B, C, *space)`: `(B, C * stencils, *space)`."""
        ones = (1,) * (self.kernels.ndim - 1)
        weight = self.kernels.unsqueeze(1).repeat(self.channels, 1, *ones)
        return view.correlate(tensor, weight.to(tensor.dtype), groups=self.channels)

    def formula(self, hidden: nn.Linear, change: nn.Linear) -> OneHidden:
        """Return this perception, a hidden layer with relu and a change as one formula.

        What is linear comes together: each hidden unit sums up the neighbourhood directly.

        Args:
            hidden: From the features to the hidden units.
            change: From the hidden units to the change.
        """
        apart = hidden.weight.unflatten(1, (self.channels, -1))  # (hidden, C, stencils)
        together = torch.einsum("hcs,s...->hc...", apart, self.kernels.to(apart.dtype))
        bias = hidden.bias if hidden.bias is not None else apart.new_zeros(len(apart))
        return OneHidden(Kernel("own", together, bias), change.weight, change.bias)

    def _stack(self, angle: float) -> Tensor:
        kernels = [stencils.identity(self.axes), *stencils.gradients(self.axes, angle)]
        if self.laplacian:
            kernels.append(stencils.laplacian(self.axes))
        return torch.stack(kernels).to(torch.get_default_dtype())


def per_cell(linear: nn.Linear, tensor: Tensor) -> Tensor:
    """Apply one linear layer to every cell of `(B, C, *space)`.

    The automaton lays the channels of a cell side by side, so that this is one matrix product
    without a copy.
    """
    return F.linear(tensor.movedim(1, -1), linear.weight, linear.bias).movedim(-1, 1)
