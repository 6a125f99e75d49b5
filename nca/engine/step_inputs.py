"""What the views of all rules of one step share: the old state, padded and correlated once.

`DenseInputs` holds the whole grid; `SparseInputs` of `nca.backends.sparse_inputs` answers for
some cells.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self, TypeAlias

import torch
from torch import Tensor

from nca.engine.convolve import convolve
from nca.engine.layout import Layout, Level
from nca.engine.program import ACTIVATIONS, Activation, CellMap, Correlation
from nca.engine.resample import AS_IS, Resampling
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.topology import Topology, correlate_valid, stencils_valid, windows
from nca.engine.window import Window


class StepInputs(Protocol):
    """What a view asks for; see `DenseInputs`."""

    state: State
    topology: Topology

    @property
    def rng(self) -> CellRNG:
        """The randomness of the step."""
        ...

    def read_by(self, level: Level) -> "StepInputs":
        """Return the same as rules of a level see it: all levels in the grid of that one."""
        ...

    def level(self, name: str) -> Tensor:
        """Return a level."""
        ...

    def perceive(
        self, level: str, correlation: Correlation, activation: Activation = "none"
    ) -> Tensor:
        """Return an activation of the outcome of a correlation that reads a level."""
        ...

    def coordinates(self, name: str) -> Tensor:
        """Return where the cells of a level are."""
        ...

    def neighbours(self, tensor: Tensor, radius: int) -> Tensor:
        """Return the neighbourhood of each cell."""
        ...

    def shifted(self, tensor: Tensor, radius: int) -> Sequence[Tensor]:
        """Return the neighbourhood of each cell, one tensor for each neighbour."""
        ...

    def correlate(self, tensor: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Correlate with an odd-sided kernel."""
        ...

    def convolve(self, tensor: Tensor, kernel: Tensor, groups: int) -> Tensor:
        """Correlate with a wide odd-sided kernel, in the faster of two ways."""
        ...

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel with each of K kernels."""
        ...


def activated(numbers: Tensor, activation: Activation, *, in_place: bool = False) -> Tensor:
    """Return an activation of numbers.

    Args:
        numbers: Any tensor.
        activation: The function.
        in_place: Whether the numbers may be overwritten.
    """
    if activation == "none":
        return numbers
    # what is a view may be shared with others
    own = in_place and not torch.compiler.is_compiling() and not numbers._is_view()
    return numbers.relu_() if activation == "relu" and own else ACTIVATIONS[activation](numbers)


class SharedCorrelation:
    """Correlations of one level that differ in their numbers alone, as one wide convolution.

    One wide convolution takes about two thirds of the time of three narrow ones.

    Args:
        members: At least two.
        activation: What is done to the outcomes of all.

    Attributes:
        whole: All of them as one.
    """

    def __init__(self, members: Sequence[Correlation], activation: Activation) -> None:
        self.members, self.activation = members, activation
        first, weight = members[0], torch.cat([member.weight for member in members])
        biases = [member.bias for member in members if member.bias is not None]
        bias = torch.cat(biases) if biases else None
        self.whole = Correlation(first.level, weight, bias, first.cell_map)

    def index(self, correlation: Correlation) -> int | None:
        """Return which of the members has the very numbers of a correlation, if one has."""
        for number, member in enumerate(self.members):
            if member.weight is correlation.weight and member.bias is correlation.bias:
                return number
        return None

    def split(self, outcome: Tensor) -> tuple[Tensor, ...]:
        """Return each member's part of the outcome of all."""
        return outcome.split([member.features for member in self.members], dim=1)


def shared_correlations(
    correlations: Iterable[tuple[str, Correlation, Activation]],
) -> dict[str, list[SharedCorrelation]]:
    """Return, for each level by name, the correlations that can be one convolution.

    Args:
        correlations: Each with the name of the level that it reads, and what is done next.
    """
    alike: dict[tuple[str, Activation, Any, Any, Any], list[Correlation]] = {}
    for level, one, activation in correlations:
        key = (level, activation, one.cell_map, one.weight.shape[1:], one.bias is None)
        alike.setdefault(key, []).append(one)
    found: dict[str, list[SharedCorrelation]] = {}
    for (level, activation, *_), members in alike.items():
        if len(members) > 1:
            found.setdefault(level, []).append(SharedCorrelation(members, activation))
    return found


Shared: TypeAlias = dict[Resampling, dict[str, list[SharedCorrelation]]]
"""Correlations that are one convolution: by how levels are read, and by the level that is read."""


class DenseInputs:
    """One step's state on the whole grid, with the work on it that the views of all rules share.

    Levels are read in the grid of one scale; `read_by` returns the inputs of another.

    Args:
        state: The state before the step.
        layout: Its levels.
        topology: What lies beyond the edge of the grid.
        shared: Correlations that are one convolution.
        rng: The randomness of the step, if it is not the state's own.
        resampling: How levels of another resolution are read.
    """

    def __init__(
        self,
        state: State,
        layout: Layout,
        topology: Topology,
        shared: Shared | None = None,
        rng: CellRNG | None = None,
        resampling: Resampling = AS_IS,
    ) -> None:
        self.state = state
        self.layout = layout
        self.topology = topology
        self.shared = shared or {}
        self.rng = rng or state.rng
        self.resampling = resampling
        # without itself: a circle would keep the step's tensors until it is collected
        self._readers: dict[Resampling, Self] = {}
        self._groups = self.shared.get(resampling, {})
        self._levels: dict[str, Tensor] = {}
        self._padded: dict[tuple[str, CellMap | None, tuple[int, ...]], Tensor] = {}
        self._outcomes: dict[tuple[str, int], tuple[Tensor, ...]] = {}
        self._mapped: dict[tuple[str, CellMap], Tensor] = {}

    def read_by(self, level: Level) -> Self:
        """Return the inputs of the rules of a level, the same for all that read alike."""
        if level.resampling == self.resampling:
            return self
        if level.resampling not in self._readers:
            self._readers[level.resampling] = self._of(level.resampling)
        return self._readers[level.resampling]

    def level(self, name: str) -> Tensor:
        """Return a level, `(B, C, *space)`, resampled once a step if it has another scale."""
        if name not in self._levels:
            scale = self.layout[name].scale
            self._levels[name] = self.resampling.read(self.state[name], scale, self.topology)
        return self._levels[name]

    def perceive(
        self, level: str, correlation: Correlation, activation: Activation = "none"
    ) -> Tensor:
        """Return an activation of the outcome of a correlation.

        Those that share its convolution come with it.
        """
        for number, group in enumerate(self._groups.get(level, ())):
            index = group.index(correlation) if group.activation == activation else None
            if index is not None:
                key = (level, number)
                if key not in self._outcomes:
                    whole = self._correlated(level, group.whole)
                    self._outcomes[key] = group.split(activated(whole, activation, in_place=True))
                return self._outcomes[key][index]
        return activated(self._correlated(level, correlation), activation, in_place=True)

    def mapped(self, name: str, cell_map: CellMap | None) -> Tensor:
        """Return a level with a function of each cell applied, once a step."""
        if cell_map is None:
            return self.level(name)
        if (name, cell_map) not in self._mapped:
            self._mapped[name, cell_map] = cell_map(self.level(name))
        return self._mapped[name, cell_map]

    def coordinates(self, name: str) -> Tensor:
        """Return where the cells of a level are, `(1, axes, *space)`, each axis from 0 to 1."""
        level, size = self.state[name], self.state.size(name)
        part = self.state.window
        window = part.at_scale(self.layout[name].scale) if part else Window((0,) * len(size), size)
        places = window.places(size, level)
        lines = [p.to(level.dtype) / n for p, n in zip(places, window.whole, strict=True)]
        return torch.stack(torch.meshgrid(*lines, indexing="ij")).unsqueeze(0)

    def neighbours(self, tensor: Tensor, radius: int) -> Tensor:
        """Return the neighbourhood of each cell, `(B, N, C, *space)`."""
        return torch.stack(self.shifted(tensor, radius), dim=1)

    def shifted(self, tensor: Tensor, radius: int) -> list[Tensor]:
        """Return the neighbourhood of each cell as N views `(B, C, *space)`."""
        return windows(self._pad(tensor, (radius,) * (tensor.ndim - 2)), radius)

    def correlate(self, tensor: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Correlate `(B, C, *space)` with an odd-sided kernel."""
        radii = tuple(side // 2 for side in weight.shape[2:])
        return correlate_valid(self._pad(tensor, radii), weight, bias, groups=groups)

    def convolve(self, tensor: Tensor, kernel: Tensor, groups: int) -> Tensor:
        """Correlate `(B, C, *space)` with a wide odd-sided kernel."""
        return convolve(self.topology, self._pad, tensor, kernel, groups=groups)

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel of `(B, C, *space)` with each of K kernels, kernel by kernel."""
        radii = tuple(side // 2 for side in kernels.shape[1:])
        return stencils_valid(self._pad(tensor, radii), kernels)

    def _correlated(self, level: str, correlation: Correlation) -> Tensor:
        weight, bias = correlation.weight, correlation.bias
        axes = self.state.axes
        padded = self.padded(
            level, tuple(s // 2 for s in weight.shape[-axes:]), correlation.cell_map
        )
        if weight.ndim == padded.ndim:
            return correlate_valid(padded, weight, bias)
        kernels = weight.unbind(1)  # one for each member, whose samples follow one another
        biases = (None,) * len(kernels) if bias is None else bias.unbind(1)
        parts = zip(padded.chunk(len(kernels)), kernels, biases, strict=True)
        return torch.cat([correlate_valid(*part) for part in parts])

    def _of(self, resampling: Resampling) -> Self:
        return type(self)(self.state, self.layout, self.topology, self.shared, self.rng, resampling)

    def _pad(self, tensor: Tensor, radii: tuple[int, ...]) -> Tensor:
        """Pad a tensor; a level is padded once for all rules."""
        for name, level in self._levels.items():
            if tensor is level:
                return self.padded(name, radii)
        return self.topology.pad(tensor, radii)

    def padded(self, name: str, radii: tuple[int, ...], cell_map: CellMap | None = None) -> Tensor:
        """Return a level with more cells on both ends of each axis, once a step.

        Args:
            name: The level.
            radii: Cells to add along each axis.
            cell_map: A function of each cell that is applied first.
        """
        key = (name, cell_map, radii)
        if key not in self._padded:
            self._padded[key] = self.topology.pad(self.mapped(name, cell_map), radii)
        return self._padded[key]
