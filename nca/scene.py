"""What the rules of one step share: the old state, padded once, and perceived together."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.errors import ShapeError
from nca.state import State
from nca.topology import Topology, correlate_valid


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
    through: Callable[[Tensor], Tensor] | None = None


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
        self.groups: list[tuple[Kernel, dict[str, int]]] = []
        for streams in alike.values():
            first = kernels[streams[0]]
            weight = torch.cat([kernels[stream].weight for stream in streams])
            bias = torch.cat([kernels[stream].bias for stream in streams])
            widths = {stream: len(kernels[stream].bias) for stream in streams}
            self.groups.append((Kernel(first.level, weight, bias, first.through), widths))


class Scene:
    """One step's state, with what the views of all rules share of the work on it."""

    def __init__(self, state: State, topology: Topology, kernels: Kernels | None = None) -> None:
        self.state = state
        self.topology = topology
        self._groups = kernels.groups if kernels else []
        self._padded: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._perceived: dict[str, Tensor] = {}
        self._shown: dict[tuple[str, Callable[[Tensor], Tensor]], Tensor] = {}

    def group(self, stream: str) -> tuple[Kernel, dict[str, int]]:
        """Return the kernel that a rule shares, and how wide each rule's part of it is.

        Raises:
            ShapeError: The rule has declared no kernel.
        """
        for kernel, widths in self._groups:
            if stream in widths:
                return kernel, widths
        raise ShapeError(
            "a rule asks for what it perceived without having declared a kernel.",
            where=stream,
            to_do="return a `Kernel` from the rule's `kernel()`, or use `view.correlate`",
        )

    def perceived(self, stream: str) -> Tensor:
        """Return the outcome of a rule's kernel; all that share its convolution come with it."""
        if stream not in self._perceived:
            kernel, widths = self.group(stream)
            radii = tuple(side // 2 for side in kernel.weight.shape[2:])
            padded = self.pad(self.shown(kernel), radii)
            whole = correlate_valid(padded, kernel.weight, kernel.bias)
            parts = whole.split(list(widths.values()), dim=1)
            self._perceived.update(zip(widths, parts, strict=True))
        return self._perceived[stream]

    def shown(self, kernel: Kernel) -> Tensor:
        """Return what the cells of a kernel's level show of themselves, computed once a step."""
        level = self.state[kernel.level]
        if kernel.through is None:
            return level
        key = (kernel.level, kernel.through)
        if key not in self._shown:
            self._shown[key] = kernel.through(level)
        return self._shown[key]

    def coordinates(self, name: str) -> Tensor:
        """Return where the cells of a level are, `(1, axes, *space)`, each axis from 0 to 1."""
        level = self.state[name]
        lines = [
            torch.arange(n, device=level.device, dtype=level.dtype) / n for n in level.shape[2:]
        ]
        return torch.stack(torch.meshgrid(*lines, indexing="ij")).unsqueeze(0)

    def pad(self, tensor: Tensor, radii: tuple[int, ...]) -> Tensor:
        """Pad a tensor; a level of the state is padded once for all who ask."""
        for name, level in self.state.items():
            if tensor is level:
                key = (name, radii)
                if key not in self._padded:
                    self._padded[key] = self.topology.pad(tensor, radii)
                return self._padded[key]
        return self.topology.pad(tensor, radii)
