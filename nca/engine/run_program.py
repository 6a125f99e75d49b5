"""A declared program, computed in torch.

Legend: B batch, N neighbour, C channel, K stencil; `*space` the axes of the grid.
"""

import math
from dataclasses import replace
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    Activation,
    AttentionTerm,
    AttentionWeights,
    Correlation,
    DecayTerm,
    Layer,
    Location,
    MLPTerm,
    Perception,
    Program,
    Stencils,
    Term,
)
from nca.engine.run_discrete import gates_change, table_change
from nca.engine.step_inputs import activated
from nca.engine.view import View


def run_program(program: Program, view: View) -> Tensor:
    """Return the change that a program declares, `(B, C, *space)`."""
    return reduce(add, (_change(term, view) for term in program.terms))


def attention_weights(weights: AttentionWeights, view: View) -> Tensor:
    """Return how much each cell attends to each neighbour, `(B, N, 1, *space)`; sums to 1 over N.

    Neighbours stand in raster order, as `view.neighbours` gives them.
    """
    energy: Tensor | float = 0.0
    for name, factor in zip(weights.levels, weights.factors, strict=True):
        level = view.level(name)
        if weights.cosine:
            level = level / level.square().sum(dim=1, keepdim=True).add(weights.tiny**2).sqrt()
        others = view.shifted(level, weights.radius)
        agreement = [(other * level).sum(dim=1, keepdim=True) for other in others]
        energy = energy + factor * torch.stack(agreement, dim=1)
    assert isinstance(energy, Tensor)
    sharpness = weights.sharpness
    if weights.rise:
        sharpness = sharpness * min((view.step + 1) / weights.rise, 1.0)
    energy = sharpness * energy
    there = _neighbours_there(weights, view, energy)
    if there is not None:
        energy = energy.masked_fill(~there, -torch.inf)
    return torch.softmax(energy, dim=1)


def stencil_features(stencils: Stencils, level: Tensor, view: View) -> list[Tensor]:
    """Return what stencils perceive of a level: `(B, C, *space)` for each number of a channel."""
    parts = list(view.stencils(level, stencils.kernels).split(stencils.channels, dim=1))
    if not stencils.length:
        return parts
    begin, end = stencils.length[0], stencils.length[-1] + 1
    squares = torch.stack([part.square() for part in parts[begin:end]]).sum(dim=0)
    # without the small number, the slope of the root would be infinite where all is flat
    return [*parts[:begin], (squares + 1e-8).sqrt(), *parts[end:]]


def _change(term: Term, view: View) -> Tensor:
    match term:
        case DecayTerm(rate):
            return -rate * view.own
        case AttentionTerm():
            return _attend(term, view)
        case TableTerm():
            return table_change(term, view)
        case GatesTerm():
            return gates_change(term, view)
        case MLPTerm((Stencils() as stencils,), (first, *layers)):
            # kernel by kernel is faster than channel by channel, so the columns are moved instead
            level = view.level(stencils.level)
            if stencils.length:
                features = torch.cat(stencil_features(stencils, level, view), dim=1)
            else:
                features = view.stencils(level, stencils.kernels)
            columns = first.weight.unflatten(-1, (stencils.channels, -1))
            columns = columns.transpose(-1, -2).flatten(-2)
            first = Layer(columns, first.bias, first.activation, first.dropout)
            return _layers(features, (first, *layers), view, f"dropout/{stencils.level}")
        case MLPTerm((Correlation(attention=None) as correlation,), (first, *layers)):
            features = view.perceive(correlation, first.activation)
            first = replace(first, activation="none")
            return _layers(features, (first, *layers), view, f"dropout/{correlation.level}")
        case MLPTerm(perceptions, layers):
            features = reduce(add, (_perceive(perception, view) for perception in perceptions))
            if all(isinstance(one, Location) for one in perceptions):  # all samples see the same
                features = features.expand(view.samples, *features.shape[1:])
            first = perceptions[0]
            name = first.level if not isinstance(first, Location) else "location"
            return _layers(features, layers, view, f"dropout/{name}")


def _layers(features: Tensor, layers: tuple[Layer, ...], view: View, draw: str) -> Tensor:
    """Return what layers make of each cell of `(B, features, *space)`.

    Units are bent in place where that is allowed: the sums below zero, which no gradient asks
    for, take no memory then.
    """
    first, *others = layers
    features = activated(features, first.activation, in_place=True)
    if first.dropout:
        kept = view.chance(1 - first.dropout, features.shape[1], draw)
        features = features * kept / (1 - first.dropout)
    cells = features.movedim(1, -1)
    now = _linear(cells.reshape(-1, cells.shape[-1]), first)
    for number, layer in enumerate(others, start=1):
        now = _bent(now, layer.activation)
        if layer.dropout:
            kept = view.chance(1 - layer.dropout, now.shape[1], f"{draw}/{number}")
            now = now * kept.movedim(1, -1).reshape(now.shape) / (1 - layer.dropout)
        now = _linear(now, layer)
    return now.unflatten(0, cells.shape[:-1]).movedim(-1, 1)


def _bent(numbers: Tensor, activation: Activation) -> Tensor:
    """Return an activation of what nobody else holds."""
    return numbers.relu_() if activation == "relu" else activated(numbers, activation)


def _linear(cells: Tensor, layer: Layer) -> Tensor:
    if layer.weight.ndim == 3:  # of members, whose cells follow one another
        each = cells.unflatten(0, (layer.weight.shape[0], -1))
        if layer.bias is None:
            return torch.bmm(each, layer.weight.mT).flatten(0, 1)
        return torch.baddbmm(layer.bias.unsqueeze(1), each, layer.weight.mT).flatten(0, 1)
    if layer.bias is None:
        return cells @ layer.weight.T
    return torch.addmm(layer.bias, cells, layer.weight.T)


def _perceive(perception: Perception, view: View) -> Tensor:
    match perception:
        case Correlation(attention=None):
            return view.perceive(perception)
        case Correlation():
            return _attended_correlation(perception, view)
        case Stencils():
            level = view.level(perception.level)
            parts = stencil_features(perception, level, view)
            return torch.stack(parts, dim=2).flatten(1, 2)
        case Location():
            code = location_code(view.coordinates, perception.frequencies)
            return F.linear(code.movedim(1, -1), perception.weight).movedim(-1, 1)


def _attended_correlation(correlation: Correlation, view: View) -> Tensor:
    """Return what a kernel makes of neighbours that attention has scaled first."""
    assert correlation.attention is not None
    level = view.level(correlation.level)
    level = correlation.cell_map(level) if correlation.cell_map else level
    neighbours = view.neighbours(level, correlation.attention.radius)  # (B, N, C, *space)
    weights = attention_weights(correlation.attention, view)
    scaled = neighbours * weights * neighbours.shape[1]
    stacked = scaled.transpose(1, 2).flatten(1, 2)  # (B, C * N, *space), as a kernel's weight
    flat = F.linear(stacked.movedim(1, -1), correlation.weight.flatten(1), correlation.bias)
    return flat.movedim(-1, 1)


def _attend(term: AttentionTerm, view: View) -> Tensor:
    """Return a share of the way to the attention-weighted mean of the neighbours."""
    others = view.shifted(view.own, term.weights.radius)
    weights = attention_weights(term.weights, view).to(view.own.dtype)
    mean = weights[:, 0] * others[0]
    for number, other in enumerate(others[1:], start=1):
        mean = torch.addcmul(mean, weights[:, number], other)
    return term.rate * (mean - view.own)


def _neighbours_there(weights: AttentionWeights, view: View, energy: Tensor) -> Tensor | None:
    """Return which neighbours may be attended to, bool `(1, N, 1, *space)`, or None: all."""
    bounded = "zeros" in view.topology.boundaries  # listed cells have no axes to count
    if weights.itself and not bounded:
        return None
    ones = torch.ones_like(energy[:1, 0])  # (1, 1, *space)
    there = view.neighbours(ones, weights.radius) > 0
    if not weights.itself:
        there[:, there.shape[1] // 2] = False
    return there


def location_code(coordinates: Tensor, frequencies: int) -> Tensor:
    """Return sines and cosines of coordinates, `(1, 2 * frequencies * axes, *space)`."""
    kind = {"device": coordinates.device, "dtype": coordinates.dtype}
    turns = torch.arange(1, frequencies + 1, **kind) * (2 * math.pi)
    angles = torch.einsum("f,ba...->bfa...", turns, coordinates)
    return torch.cat([angles.sin(), angles.cos()], dim=1).flatten(1, 2)
