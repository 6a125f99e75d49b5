"""What the fused step can compute, found in what rules declare."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    AttentionTerm,
    Correlation,
    DecayTerm,
    Location,
    MLPTerm,
    NotDeclared,
    Program,
    Stencils,
    Term,
)


@dataclass(frozen=True)
class FusedMLP:
    """A correlation, one hidden layer with relu, and a change for every channel of each cell.

    The change is `weight relu(correlation of the level) + bias`.

    Attributes:
        correlation: What the hidden units sum up; it has a bias.
        weight: `(C own, hidden)`.
        bias: `(C own)`.
    """

    correlation: Correlation
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class FusedScale:
    """A share of the rule's own level.

    Attributes:
        factor: What each number of the level is multiplied with, a number or `()`.
    """

    factor: Tensor | float


FusedTerm: TypeAlias = FusedMLP | FusedScale


def lower(program: Program | NotDeclared) -> list[FusedTerm] | str:
    """Return the fused terms whose sum a program is, or why there are none.

    What is linear comes together: stencils and the layer after them are one correlation, so that
    each hidden unit sums up the neighbourhood directly.
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
        case AttentionTerm():
            return "attends to its neighbours"
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
            correlation = _expanded(perception)
            weight, bias = (
                correlation.weight,
                _or_zeros(correlation.bias, perception.features, last.weight),
            )
            for layer in linear:
                weight = torch.einsum("hf,fc...->hc...", layer.weight, weight.to(layer.weight))
                bias = layer.weight @ bias + _or_zeros(layer.bias, len(layer.weight), bias)
            return FusedMLP(
                replace(correlation, weight=weight, bias=bias),
                last.weight,
                _or_zeros(last.bias, len(last.weight), bias),
            )
        case MLPTerm((Correlation(),)):
            return "attends to its neighbours"
        case MLPTerm():
            return "perceives more than one level in one net"


def _expanded(perception: Correlation | Stencils) -> Correlation:
    """Return a perception as a correlation over all channels."""
    if isinstance(perception, Correlation):
        return perception
    kernels = perception.kernels
    each = torch.eye(perception.channels, dtype=kernels.dtype, device=kernels.device)
    weight = torch.einsum("ce,k...->cke...", each, kernels).flatten(0, 1)
    return Correlation(perception.level, weight)


def _or_zeros(bias: Tensor | None, count: int, like: Tensor) -> Tensor:
    return like.new_zeros(count) if bias is None else bias
