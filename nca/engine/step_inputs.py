"""What the rules of one step share: the old state, padded once, and perceived together.

Here all cells are at hand, as a grid; in `nca.backends.sparse` they are a list of some.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.topology import Topology, correlate_valid, stencils_valid, windows
from nca.engine.window import Window
from nca.errors import ShapeError

Through: TypeAlias = Callable[[Tensor], Tensor] | None
"""A function of each cell alone, or None: what is there as it is."""


@dataclass(frozen=True)
class Kernel:
    """A correlation with which a rule begins.

    Attributes:
        level: The level that it reads: `own`, `below`, `above`, or a name.
        weight: `(C out, C, *kernel)`, every side odd.
        bias: `(C out)`.
        through: What the cells of the level show of themselves, a function of each cell alone
            that keeps the shape `(B, C, *space)`; they show themselves as they are if None.
    """

    level: str
    weight: Tensor
    bias: Tensor
    through: Through = None


class Kernels:
    """The kernels of all rules; those that read one level, alike in shape, become one.

    One wide convolution takes about two thirds of the time of three narrow ones.

    Args:
        kernels: By the stream of the rule, with the level's own name.
    """

    def __init__(self, kernels: dict[str, Kernel]) -> None:
        alike: dict[tuple[object, ...], list[str]] = {}
        for stream, kernel in kernels.items():
            key = (kernel.level, kernel.through, kernel.weight.shape[1:])
            alike.setdefault(key, []).append(stream)
        self.alone = kernels
        self.groups: list[tuple[Kernel, dict[str, int]]] = []
        for streams in alike.values():
            first = kernels[streams[0]]
            weight = torch.cat([kernels[stream].weight for stream in streams])
            bias = torch.cat([kernels[stream].bias for stream in streams])
            widths = {stream: len(kernels[stream].bias) for stream in streams}
            self.groups.append((Kernel(first.level, weight, bias, first.through), widths))

    def group(self, stream: str) -> tuple[Kernel, dict[str, int]]:
        """Return the kernel that a rule shares, and how wide each rule's part of it is."""
        return next((kernel, widths) for kernel, widths in self.groups if stream in widths)

    def declared(self, stream: str) -> Kernel:
        """Return the kernel that a rule has declared.

        Raises:
            ShapeError: It has declared none.
        """
        if stream not in self.alone:
            raise ShapeError(
                "a rule asks for what it perceived without having declared a kernel.",
                where=stream,
                to_do="return a `Kernel` from the rule's `kernel()`, or use `view.correlate`",
            )
        return self.alone[stream]


class DenseInputs:
    """One step's state, with what the views of all rules share of the work on it."""

    def __init__(self, state: State, topology: Topology, kernels: Kernels | None = None) -> None:
        self.state = state
        self.topology = topology
        self.kernels = kernels or Kernels({})
        self._padded: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._perceived: dict[str, Tensor] = {}
        self._shown: dict[tuple[str, Through], Tensor] = {}

    @property
    def rng(self) -> CellRNG:
        """The randomness of the step."""
        return self.state.rng

    def level(self, name: str) -> Tensor:
        """Return a level, `(B, C, *space)`."""
        return self.state[name]

    def perceived(self, stream: str) -> Tensor:
        """Return the outcome of a rule's kernel; all that share its convolution come with it."""
        if stream not in self._perceived:
            kernel, widths = self.kernels.group(stream)
            radii = tuple(side // 2 for side in kernel.weight.shape[2:])
            padded = self.pad(self.shown(kernel.level, kernel.through), radii)
            whole = correlate_valid(padded, kernel.weight, kernel.bias)
            parts = whole.split(list(widths.values()), dim=1)
            self._perceived.update(zip(widths, parts, strict=True))
        return self._perceived[stream]

    def shown(self, name: str, through: Through) -> Tensor:
        """Return what the cells of a level show of themselves, computed once a step."""
        if through is None:
            return self.state[name]
        if (name, through) not in self._shown:
            self._shown[name, through] = through(self.state[name])
        return self._shown[name, through]

    def coordinates(self, name: str) -> Tensor:
        """Return where the cells of a level are, `(1, axes, *space)`, each axis from 0 to 1."""
        level, size = self.state[name], self.state.size(name)
        window = self.state.window or Window((0,) * len(size), size)
        places = window.places(size, level)
        lines = [p.to(level.dtype) / n for p, n in zip(places, window.whole, strict=True)]
        return torch.stack(torch.meshgrid(*lines, indexing="ij")).unsqueeze(0)

    def neighbours(self, tensor: Tensor, radius: int) -> Tensor:
        """Return the neighbourhood of each cell, `(B, N, C, *space)`."""
        return torch.stack(self.shifted(tensor, radius), dim=1)

    def shifted(self, tensor: Tensor, radius: int) -> list[Tensor]:
        """Return the neighbourhood of each cell as N views `(B, C, *space)`."""
        return windows(self.pad(tensor, (radius,) * (tensor.ndim - 2)), radius)

    def correlate(self, tensor: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Correlate `(B, C, *space)` with an odd-sided kernel."""
        radii = tuple(side // 2 for side in weight.shape[2:])
        return correlate_valid(self.pad(tensor, radii), weight, bias, groups=groups)

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel of `(B, C, *space)` with each of K kernels, kernel by kernel."""
        radii = tuple(side // 2 for side in kernels.shape[1:])
        return stencils_valid(self.pad(tensor, radii), kernels)

    def pad(self, tensor: Tensor, radii: tuple[int, ...]) -> Tensor:
        """Pad a tensor; a level of the state is padded once for all who ask."""
        for name, level in self.state.items():
            if tensor is level:
                key = (name, radii)
                if key not in self._padded:
                    self._padded[key] = self.topology.pad(tensor, radii)
                return self._padded[key]
        return self.topology.pad(tensor, radii)
