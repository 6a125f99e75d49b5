"""Discrete terms computed in torch: tables of successors and logic gates.

Legend: B batch, C channel, W wire, G gate; `*space` the axes of the grid.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nca.engine.discrete import GateLayer, GatesTerm, TableTerm
from nca.engine.topology import Offset, raster_place, reach_of
from nca.engine.view import View


def table_change(term: TableTerm, view: View) -> Tensor:
    """Return what turns each cell into its successor, `(B, C, *space)`."""
    own = view.own
    successors = term.successors.flatten()
    # what a sum of weights can be says how small the numbers may be in which it is counted
    number = torch.uint8 if sum(term.weights) < 256 else torch.int32
    column = torch.zeros_like(own, dtype=number)
    for seen, weight in zip(_seen(term.offsets, view), term.weights, strict=True):
        counts = _counts(term, seen).to(number)
        column += counts if weight == 1 else counts * weight
    place = state_of(own, term.states).long() * (sum(term.weights) + 1) + column
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
    wires = seen.transpose(1, 2).flatten(0, 1)  # (W, B, *space)
    for layer in term.layers:
        wires = torch.cat([wires, gate_outcomes(layer, wires)])
    return wires[-own.shape[1] :].transpose(0, 1) - own


def gate_outcomes(layer: GateLayer, wires: Tensor) -> Tensor:
    """Return what the gates of a layer make of all wires so far, `(W, ...)`: `(G, ...)`."""
    first, second = wires[layer.first], wires[layer.second]
    factors = layer.factors.to(wires.dtype).T
    none, left, right, both = factors.reshape(4, -1, *(1,) * (wires.ndim - 1))
    return torch.addcmul(none + left * first, right + both * first, second)


def _seen(offsets: Sequence[Offset], view: View) -> list[Tensor]:
    """Return the neighbours at some offsets, each `(B, C, *space)`."""
    radius = reach_of(offsets)
    around = view.shifted(view.own, radius)
    return [around[raster_place(offset, radius)] for offset in offsets]


def _counts(term: TableTerm, seen: Tensor) -> Tensor:
    """Return which of some cells count, bool."""
    if term.states == 2 and term.counted == (1,):
        return seen > 0.5
    counted = torch.zeros(term.states, dtype=torch.bool, device=seen.device)
    counted[list(term.counted)] = True
    return counted[state_of(seen, term.states).long()]
