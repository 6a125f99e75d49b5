"""Discrete terms computed in torch: tables of successors and logic gates.

Legend: B batch, C channel, W wire, G gate; `*space` the axes of the grid.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.engine.discrete import GateLayer, GatesTerm, TableTerm
from nca.engine.to_device import to_device
from nca.engine.topology import Offset, raster_place, reach_of
from nca.engine.view import View


def table_change(term: TableTerm, view: View) -> Tensor:
    """Return what turns each cell into its successor, `(B, C, *space)`."""
    own = view.own
    successors = term.successors.flatten()
    columns = term.successors.shape[1]
    # what a sum of weights can be says how small the numbers may be in which it is counted
    number = torch.uint8 if columns <= 256 else torch.int32
    column = torch.zeros_like(own, dtype=number)
    for seen, weight in zip(_seen(term.offsets, view), term.weights, strict=True):
        counts = _counts(term, seen).to(number)
        column += counts if weight == 1 else counts * weight
    place = state_of(own, term.states).long() * columns + column
    return successors[place].to(own.dtype) - own


def state_of(level: Tensor, states: int) -> Tensor:
    """Return the state of each cell, as a whole number from 0 to `states - 1`; NaN is 0."""
    if states == 2:
        return level > 0.5
    return level.nan_to_num(0.0).clamp(0, states - 1).round().long()


def gates_change(term: GatesTerm, view: View) -> Tensor:
    """Return the change of each cell to what a network of gates makes of it, `(B, C, *space)`."""
    own = view.own
    seen = torch.stack([*_seen(term.offsets, view)], dim=0)  # (N, B, C, *space)
    wires = seen.transpose(1, 2).flatten(2).flatten(0, 1)  # (W, cells)
    begins = [layer.begin for layer in term.layers]
    begin = 0  # the number of the first wire that is kept
    for number, layer in enumerate(term.layers):
        outcomes = gate_outcomes(layer, wires, begin)
        end = begin + len(wires)
        needed = min(begins[number + 1 :], default=end)
        if needed < end:
            wires = torch.cat([wires[max(needed - begin, 0) :], outcomes])
            begin = max(needed, begin)
        else:
            wires, begin = outcomes, end
    after = wires[-own.shape[1] :].unflatten(1, (own.shape[0], *own.shape[2:]))
    return after.transpose(0, 1) - own


def gate_outcomes(layer: GateLayer, wires: Tensor, begin: int = 0) -> Tensor:
    """Return what the gates of a layer make of wires: `(G, cells)`.

    Args:
        layer: The gates.
        wires: `(W, cells)`: all those that the layer reads, in order.
        begin: The number of the first of them.
    """
    first, second = (one - begin if begin else one for one in (layer.first, layer.second))
    factors = layer.factors.to(wires.dtype)
    if torch.is_grad_enabled() and (wires.requires_grad or factors.requires_grad):
        found = _Gates.apply(wires, first, second, factors)
        assert isinstance(found, Tensor)
        return found
    return _outcomes(wires.index_select(0, first), wires.index_select(0, second), factors)


def _outcomes(first: Tensor, second: Tensor, factors: Tensor) -> Tensor:
    none, left, right, both = factors.T.unsqueeze(-1)  # (G, 1)
    return torch.addcmul(
        torch.addcmul(none, left, first), torch.addcmul(right, both, first), second
    )


class _Gates(torch.autograd.Function):
    """Gates of two inputs that keep for their gradient what they read, and nothing between."""

    @staticmethod
    def forward(ctx: Any, wires: Tensor, first: Tensor, second: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(wires, first, second, factors)
        return _outcomes(wires.index_select(0, first), wires.index_select(0, second), factors)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        wires, first, second, factors = ctx.saved_tensors
        _, left, right, both = factors.T.unsqueeze(-1)  # (G, 1)
        one, other = wires.index_select(0, first), wires.index_select(0, second)
        to_wires = to_factors = None
        if ctx.needs_input_grad[0]:
            to_wires = torch.zeros_like(wires)
            to_wires.index_add_(0, first, torch.addcmul(left, both, other) * gradient)
            to_wires.index_add_(0, second, torch.addcmul(right, both, one) * gradient)
        if ctx.needs_input_grad[3]:
            to_one = gradient * one
            sums = [gradient.sum(1), to_one.sum(1), (gradient * other).sum(1)]
            to_factors = torch.stack([*sums, (to_one * other).sum(1)], dim=1)
        return to_wires, None, None, to_factors


def _seen(offsets: Sequence[Offset], view: View) -> list[Tensor]:
    """Return the neighbours at some offsets, each `(B, C, *space)`."""
    radius = reach_of(offsets)
    around = view.shifted(view.own, radius)
    return [around[raster_place(offset, radius)] for offset in offsets]


def _counts(term: TableTerm, seen: Tensor) -> Tensor:
    """Return how often each of some cells counts."""
    if term.states == 2 and term.counted == (1,):
        return seen > 0.5
    often = [term.counted.count(state) for state in range(term.states)]
    return to_device(torch.tensor(often), seen.device)[state_of(seen, term.states).long()]
