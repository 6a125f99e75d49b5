"""Sparse inputs: some cells of a state as a list, and what these see of their neighbours.

Levels are laid out as rows, one cell each; what a cell sees of its neighbours is gathered from
the rows of all cells.

Legend: B batch, C channel, S cells of a grid, N neighbour, n listed cell.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.layout import Level
from nca.engine.program import Activation, CellMap, Correlation
from nca.engine.rng import CellRNG
from nca.engine.step_inputs import DenseInputs, activated
from nca.engine.topology import Topology, windows
from nca.errors import ShapeError
from nca.types import Size


class SparseInputs:
    """One step's state, of which some cells are handed out as a list.

    It answers as `DenseInputs` does, with `(1, C, n)` in place of `(B, C, *space)`.

    Args:
        inputs: The whole state; its levels share one grid size.
        cells: `(n,)`, int64: the listed cells, counted on from sample to sample.
        count: How many of them, from the first, change; the others are there for the sake of
            their number; None: all.
    """

    def __init__(self, inputs: DenseInputs, cells: Tensor, count: int | None = None) -> None:
        self.inputs = inputs
        self.state = inputs.state
        self.topology = inputs.topology
        self.cells = cells
        self._changing = cells if count is None else cells[:count]
        self._size = inputs.state.size(next(iter(inputs.state)))
        self._levels: dict[str, Tensor] = {}
        self._seen: dict[tuple[str, CellMap | None, Size, bool], Tensor] = {}
        self._places: dict[Size, tuple[Tensor, Tensor | None]] = {}

    @property
    def rng(self) -> CellRNG:
        """The randomness of the step, of the listed cells alone."""
        return replace(self.state.rng, cells=self.cells)

    def read_by(self, level: Level) -> Self:
        """Return these inputs: all levels share one grid."""
        return self

    def level(self, name: str) -> Tensor:
        """Return a level, `(1, C, n)`."""
        if name not in self._levels:
            rows = pick(cell_rows(self.state[name]), self.cells)
            self._levels[name] = rows.T.unsqueeze(0)
        return self._levels[name]

    def neighbours(self, tensor: Tensor, radius: int) -> Tensor:
        """Return the neighbourhood of each cell in a level, `(1, N, C, n)`.

        Raises:
            ShapeError: The tensor is no level as it stands.
        """
        seen = self._gathered(self._named(tensor), None, (radius,) * len(self._size))
        return seen.permute(1, 2, 0).unsqueeze(0)

    def shifted(self, tensor: Tensor, radius: int) -> Sequence[Tensor]:
        """Return the neighbourhood of each cell in a level as N views `(1, C, n)`."""
        return self.neighbours(tensor, radius).unbind(1)

    def coordinates(self, name: str) -> Tensor:
        """Return where the listed cells are, `(1, axes, n)`."""
        everywhere = cell_rows(self.inputs.coordinates(name))  # (S, axes)
        return everywhere[self.cells % len(everywhere)].T.unsqueeze(0)

    def correlate(self, tensor: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Correlate a level with an odd-sided kernel, `(1, C out, n)`.

        Raises:
            ShapeError: The tensor is no level as it stands.
        """
        return self._correlated(self._named(tensor), None, weight, bias, groups)

    def convolve(self, tensor: Tensor, kernel: Tensor, groups: int) -> Tensor:
        """Correlate a level with a wide kernel, cell by cell, `(1, C out, n)`."""
        return self.correlate(tensor, kernel, None, groups)

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel of a level with each of K kernels, `(1, K * C, n)`.

        Raises:
            ShapeError: The tensor is no level as it stands.
        """
        radii = tuple(side // 2 for side in kernels.shape[1:])
        name = self._named(tensor)
        features = self._filtered(name, None, radii, kernels.flatten(1).to(tensor.dtype))
        return features.transpose(0, 1).flatten(1).T.unsqueeze(0)

    def perceive(
        self, level: str, correlation: Correlation, activation: Activation = "none"
    ) -> Tensor:
        """Return an activation of a correlation that reads a level, `(1, C out, n)`."""
        outcome = self._correlated(
            level, correlation.cell_map, correlation.weight, correlation.bias, 1
        )
        return activated(outcome, activation)

    def changed(self, name: str, change: Tensor) -> Tensor:
        """Return a level with `(1, C, n)` added to its listed cells: `(B, C, *space)`."""
        level, cells = self.state[name], self._changing
        rows = change[0, :, : len(cells)].T
        wide = torch.promote_types(level.dtype, rows.dtype)
        summed = cell_rows(level).to(wide).index_add(0, cells, rows.to(wide))
        return grid_of(summed.to(level.dtype), level.shape)

    def _correlated(
        self, name: str, cell_map: CellMap | None, weight: Tensor, bias: Tensor | None, groups: int
    ) -> Tensor:
        radii = tuple(side // 2 for side in weight.shape[2:])
        laid = weight.movedim(1, -1).flatten(1, -2)  # (C out, N, C in / groups)
        if groups > 1:
            stencils = _stencils(laid, groups)
            if stencils is not None:
                features = self._filtered(name, cell_map, radii, stencils)
                return _biased(features.permute(1, 2, 0).flatten(1).T.unsqueeze(0), bias)
            laid = _spread(laid, groups)
        seen = self._gathered(name, cell_map, radii)
        return F.linear(seen.flatten(1), laid.flatten(1), bias).T.unsqueeze(0)

    def _filtered(
        self, name: str, cell_map: CellMap | None, radii: Size, stencils: Tensor
    ) -> Tensor:
        """Return every channel cell_map each of the stencils `(K, N)`: `(K, n, C)`."""
        seen = self._gathered(name, cell_map, radii, neighbours_first=True)  # (N, n, C)
        return (stencils @ seen.flatten(1)).unflatten(1, seen.shape[1:])

    def _gathered(
        self, name: str, cell_map: CellMap | None, radii: Size, *, neighbours_first: bool = False
    ) -> Tensor:
        """Return what the listed cells see of a level, `(n, N, C)` or `(N, n, C)`."""
        key = (name, cell_map, radii, neighbours_first)
        if key not in self._seen:
            if radii not in self._places:
                self._places[radii] = self._reached(radii)
            places, beyond = self._places[radii]
            if neighbours_first:
                places, beyond = places.T, None if beyond is None else beyond.T
            shown = cell_rows(self.inputs.mapped(name, cell_map))
            seen = pick(shown, places.flatten()).unflatten(0, places.shape)
            if beyond is not None:
                seen = seen.masked_fill(beyond.unsqueeze(-1), 0)
            self._seen[key] = seen
        return self._seen[key]

    def _reached(self, radii: Size) -> tuple[Tensor, Tensor | None]:
        """Return the rows of each listed cell's neighbours, `(n, N)`, and which are no cells."""
        table, has_edge = places_of(self.topology, self._size, radii)
        sample = self.cells.div(len(table), rounding_mode="floor") * len(table)
        places = table[self.cells - sample]
        beyond = places < 0 if has_edge else None
        return places.clamp(min=0) + sample.unsqueeze(1), beyond

    def _named(self, tensor: Tensor) -> str:
        for name, level in self._levels.items():
            if tensor is level:
                return name
        raise ShapeError(
            "a cellwise rule looks at the neighbours of something that is no level as it stands.",
            where=f"a tensor {tuple(tensor.shape)} of {len(self.cells)} listed cells",
            to_do="take neighbours of `view.own` and other levels alone, "
            "or let the rule say `cellwise = False`",
        )


class _Pick(torch.autograd.Function):
    """Take rows; their gradients are added where they came from."""

    @staticmethod
    def forward(rows: Tensor, places: Tensor) -> Tensor:
        # five times as fast as index_select, but its own backward is half as fast as index_add
        return torch.embedding(rows, places)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        rows, places = inputs
        ctx.save_for_backward(places)
        ctx.count = len(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,), (places,) = gradients, ctx.saved_tensors
        empty = gradient.new_zeros(ctx.count, gradient.shape[1])
        return empty.index_add_(0, places, gradient), None


def pick(rows: Tensor, places: Tensor) -> Tensor:
    """Return some rows of a matrix, any of them as often as asked for."""
    return _Pick.apply(rows, places)  # pyright: ignore[reportReturnType]


def cell_rows(level: Tensor) -> Tensor:
    """Return `(B, C, *space)` as `(B * S, C)`, without a copy if channels lie side by side."""
    return level.movedim(1, -1).reshape(-1, level.shape[1])


def grid_of(rows: Tensor, shape: torch.Size) -> Tensor:
    """Return `(B * S, C)` as `(B, C, *space)`."""
    return rows.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


@lru_cache(maxsize=16)
def places_of(topology: Topology, size: Size, radii: Size) -> tuple[Tensor, bool]:
    """Return each cell's neighbours, int64 `(S, N)`, and whether some are beyond the edge: -1."""
    with torch.inference_mode(False):
        numbers = torch.arange(1, math.prod(size) + 1, dtype=torch.float64).view(1, 1, *size)
        seen = torch.stack(windows(topology.pad(numbers, radii), radii)).flatten(1)  # (N, S)
        table = seen.T.long() - 1  # the boundary put zeros beyond the edge, if it is one
        return table, bool((table < 0).any())


def _stencils(laid: Tensor, groups: int) -> Tensor | None:
    """Return the few stencils `(K, N)` that all channels of a depthwise kernel share, or None.

    Fixed perceptions have such kernels. Every neighbourhood is then multiplied by N x K numbers, in
    place of the N C x C K, mostly zeros, that channels of different kernels need.
    """
    if laid.shape[2] != 1 or laid.requires_grad:
        return None
    apart = laid.squeeze(2).unflatten(0, (groups, -1))  # (C, K, N)
    return apart[0] if bool((apart == apart[:1]).all()) else None


def _biased(change: Tensor, bias: Tensor | None) -> Tensor:
    return change if bias is None else change + bias.view(1, -1, 1)


def _spread(laid: Tensor, groups: int) -> Tensor:
    """Return a grouped kernel `(C out, N, C / groups)` as one over all channels, mostly zeros."""
    apart = laid.unflatten(0, (groups, -1)).unsqueeze(3)  # (group, C out / groups, N, 1, ...)
    same = torch.eye(groups, dtype=laid.dtype, device=laid.device)
    return (apart * same.view(groups, 1, 1, groups, 1)).flatten(0, 1).flatten(-2)
