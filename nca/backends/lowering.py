"""What the fused step can compute, found in what rules declare."""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    AttentionTerm,
    AttentionWeights,
    CellMap,
    Correlation,
    DecayTerm,
    Location,
    MLPTerm,
    NotDeclared,
    Program,
    Stencils,
    Term,
)
from nca.engine.stencils import fold_stencils


@dataclass(frozen=True)
class FusedMLP:
    """A correlation, one hidden layer with relu, and a change for every channel of each cell.

    The change is `weight relu(correlation of the level) + bias`.

    Attributes:
        level: The level that it reads: `own`, `below`, `above`, or a name.
        cell_map: What is done to each cell of the level before it is read, or None.
        first: What the hidden units sum up, `(hidden, C, *kernel)`; with stencils
            `(hidden, C, S)`.
        first_bias: `(hidden)`.
        stencils: The kernels `(S, *kernel)` through which cells perceive each channel, or None.
        weight: `(C own, hidden)`.
        bias: `(C own)`.
    """

    level: str
    cell_map: CellMap | None
    first: Tensor
    first_bias: Tensor
    stencils: Tensor | None
    weight: Tensor
    bias: Tensor

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides of its kernel."""
        kernels = self.first[0] if self.stencils is None else self.stencils
        return tuple(kernels.shape[1:])

    @property
    def correlation(self) -> Correlation:
        """What the hidden units sum up, in one piece."""
        weight = fold_stencils(self.first, self.stencils)
        return Correlation(self.level, weight, self.first_bias, self.cell_map)


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
        case MLPTerm((Stencils(length=(_, *_)),)):
            return "perceives the length of a gradient, which is no correlation"
        case MLPTerm(perceptions) if any(isinstance(one, Location) for one in perceptions):
            return "perceives where its cells are"
        case MLPTerm((Correlation(attention=None) | Stencils() as perception,), (*linear, last)):
            if last.activation != "relu" or any(one.activation != "none" for one in linear):
                return "is no correlation with one hidden layer of relu"
            first, bias = _summed(perception, last.weight)
            for layer in linear:
                first = torch.einsum("hf,fc...->hc...", layer.weight, first.to(layer.weight))
                bias = layer.weight @ bias + _or_zeros(layer.bias, len(layer.weight), bias)
            learned = isinstance(perception, Correlation)
            return FusedMLP(
                perception.level,
                perception.cell_map if learned else None,
                first,
                bias,
                None if learned else perception.kernels,
                last.weight,
                _or_zeros(last.bias, len(last.weight), bias),
            )
        case MLPTerm((Correlation(),)):
            return "reads neighbours that attention has scaled"
        case MLPTerm():
            return "perceives more than one level in one net"


def _summed(perception: Correlation | Stencils, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a perception sums up, as `FusedMLP` has its first layer and bias."""
    if isinstance(perception, Correlation):
        return perception.weight, _or_zeros(perception.bias, perception.features, like)
    # each number that is perceived comes from one channel and one stencil
    kinds = perception.channels, len(perception.kernels)
    each = torch.eye(perception.features, dtype=like.dtype, device=like.device)
    return each.unflatten(1, kinds), like.new_zeros(perception.features)


def _or_zeros(bias: Tensor | None, count: int, like: Tensor) -> Tensor:
    return like.new_zeros(count) if bias is None else bias
