"""What the fused step can compute, found in what rules declare."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    Activation,
    AttentionTerm,
    AttentionWeights,
    CellMap,
    Correlation,
    DecayTerm,
    Layer,
    Location,
    MLPTerm,
    NotDeclared,
    Program,
    Stencils,
    Term,
)
from nca.engine.stencils import fold_stencils


@dataclass(frozen=True)
class FusedRead:
    """What the first hidden units sum up of one level.

    Attributes:
        level: The level: `own`, `below`, `above`, or a name.
        cell_map: What is done to each cell of the level before it is read, or None.
        weight: `(hidden, C, *kernel)`; with stencils `(hidden, C, S)`.
        stencils: The kernels `(S, *kernel)` through which cells perceive each channel, or None.
    """

    level: str
    cell_map: CellMap | None
    weight: Tensor
    stencils: Tensor | None

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides of its kernel."""
        kernels = self.weight[0] if self.stencils is None else self.stencils
        return tuple(kernels.shape[1:])

    @property
    def correlation(self) -> Correlation:
        """The same in one piece, without a bias."""
        weight = fold_stencils(self.weight, self.stencils)
        return Correlation(self.level, weight, cell_map=self.cell_map)


@dataclass(frozen=True)
class FusedLayer:
    """A layer that all cells share: `weight activation(x) + bias`.

    Attributes:
        activation: What is done to what comes in.
        weight: `(out, in)`.
        bias: `(out)`.
    """

    activation: Activation
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class FusedMLP:
    """Correlations, whose sums are hidden units, then layers that look at each cell alone.

    Attributes:
        reads: What the units of the first hidden layer sum up, at least one.
        bias: Theirs, `(hidden)`.
        layers: What follows, at least one; the last returns a change for every channel. None but
            that of a net without hidden layers is linear.
    """

    reads: tuple[FusedRead, ...]
    bias: Tensor
    layers: tuple[FusedLayer, ...]


@dataclass(frozen=True)
class FusedScale:
    """A share of the rule's own level.

    Attributes:
        factor: What each number of the level is multiplied with, a number or `()`.
    """

    factor: Tensor | float


@dataclass(frozen=True)
class FusedAttention:
    """A share of the way to the mean of the neighbours, weighed by attention.

    Attributes:
        rate: The share, a number or `()`.
        weights: How much each neighbour counts.
    """

    rate: Tensor | float
    weights: AttentionWeights


FusedTerm: TypeAlias = FusedMLP | FusedScale | FusedAttention


def lower(program: Program | NotDeclared) -> list[FusedTerm] | str:
    """Return the fused terms whose sum a program is, or why there are none.

    Linear layers that follow each other come together as one. Stencils stay beside the layer that
    sums up what they perceive, to be folded into it where that is less work (`fold_stencils`).
    """
    if isinstance(program, NotDeclared):
        return program.why
    found = [_lowered(term) for term in program.terms]
    reasons = [one for one in found if isinstance(one, str)]
    return reasons[0] if reasons else [one for one in found if not isinstance(one, str)]


def _lowered(term: Term) -> FusedTerm | str:
    match term:
        case DecayTerm(rate):
            return FusedScale(-rate)
        case AttentionTerm(_, weights) if weights.radius != 1:
            return f"attends to neighbours up to {weights.radius} cells away, and not 1"
        case AttentionTerm(rate, weights):
            return FusedAttention(rate, weights)
        case TableTerm() | GatesTerm():
            return "is a table or a network of logic gates"
        case MLPTerm(_, layers) if any(layer.dropout for layer in layers):
            return "drops hidden units by chance in training"
        case MLPTerm(perceptions) if any(isinstance(o, Stencils) and o.length for o in perceptions):
            return "perceives the length of a gradient, which is no correlation"
        case MLPTerm(perceptions) if any(isinstance(one, Location) for one in perceptions):
            return "perceives where its cells are"
        case MLPTerm(perceptions) if any(
            isinstance(one, Correlation) and one.attention for one in perceptions
        ):
            return "reads neighbours that attention has scaled"
        case MLPTerm():
            return _net(term)


def _net(term: MLPTerm) -> FusedMLP:
    """Return correlations and layers, those that are linear folded into what is before them."""
    first, *layers = term.layers
    reads = [_read(one, first.weight) for one in term.perceptions if not isinstance(one, Location)]
    biases = [one.bias for one in term.perceptions if isinstance(one, Correlation)]
    zeros = first.weight.new_zeros(len(reads[0].weight))
    bias = sum((one for one in biases if one is not None), zeros)
    while first.activation == "none" and layers:
        reads = [replace(one, weight=_product(first.weight, one.weight)) for one in reads]
        bias = first.weight @ bias + _bias(first)
        first, *layers = layers
    found = [FusedLayer(first.activation, first.weight, _bias(first))]
    for layer in layers:
        one = FusedLayer(layer.activation, layer.weight, _bias(layer))
        if layer.activation == "none":
            before = found.pop()
            one = FusedLayer(
                before.activation,
                layer.weight @ before.weight,
                layer.weight @ before.bias + one.bias,
            )
        found.append(one)
    return FusedMLP(tuple(reads), bias, tuple(found))


def _read(perception: Correlation | Stencils, like: Tensor) -> FusedRead:
    if isinstance(perception, Correlation):
        level, cell_map, weight = perception.level, perception.cell_map, perception.weight
        if any(side > 1 for side in weight.shape[2:]):
            return FusedRead(level, cell_map, weight, None)
        itself = weight.new_ones(1, *weight.shape[2:])
        return FusedRead(level, cell_map, weight.flatten(2), _with_neighbours(itself))
    # each number that is perceived comes from one channel and one stencil
    kinds = perception.channels, len(perception.kernels)
    each = torch.eye(perception.features, dtype=like.dtype, device=like.device)
    stencils = _with_neighbours(perception.kernels)
    return FusedRead(perception.level, None, each.unflatten(1, kinds), stencils)


def _with_neighbours(stencils: Tensor) -> Tensor:
    """Return stencils that see a cell alone with zeros for its neighbours, others as they are."""
    alone = all(side == 1 for side in stencils.shape[1:])
    return F.pad(stencils, (1, 1) * (stencils.ndim - 1)) if alone else stencils


def _product(weight: Tensor, first: Tensor) -> Tensor:
    return torch.einsum("hf,fc...->hc...", weight, first.to(weight))


def _bias(layer: Layer) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
