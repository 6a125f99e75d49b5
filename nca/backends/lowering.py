"""What the fused step can compute, and how it is found in what rules say of themselves."""

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor

from nca.engine.program import Correlation, DecayTerm, MLPTerm, NotDeclared, Program, Stencils, Term
from nca.engine.step_inputs import Kernel, Through


@dataclass(frozen=True)
class FusedMLP:
    """A correlation, one hidden layer with relu, and a change for every channel of each cell.

    The change is `weight relu(kernel * level + kernel.bias) + bias`.

    Attributes:
        kernel: The correlation that the hidden units sum up.
        weight: `(C own, hidden)`.
        bias: `(C own)`.
    """

    kernel: Kernel
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class FusedScale:
    """A share of the rule's own level.

    Attributes:
        factor: What each number of the level is multiplied with, a number or `()`.
    """

    factor: Tensor | float


Formula: TypeAlias = FusedMLP | FusedScale


def lower(program: Program | NotDeclared) -> list[Formula] | str:
    """Return the formulas whose sum a program is, or why it is none of them.

    What is linear comes together: stencils and the layer after them are one correlation, so that
    each hidden unit sums up the neighbourhood directly.
    """
    if isinstance(program, NotDeclared):
        return program.why
    found = [_formula(term) for term in program.terms]
    reasons = [told for told in found if isinstance(told, str)]
    return reasons[0] if reasons else [told for told in found if not isinstance(told, str)]


def _formula(term: Term) -> Formula | str:
    match term:
        case DecayTerm(rate):
            return FusedScale(-rate)
        case MLPTerm((Stencils(length=(_, *_)),)):
            return "perceives the length of a gradient, which is no correlation"
        case MLPTerm((Correlation() | Stencils() as sight,), bias, (*linear, last)):
            if last.activation != "relu" or any(one.activation != "none" for one in linear):
                return "is no correlation with one hidden layer of relu"
            weight, bias = _expanded(sight), _or_zeros(bias, sight.features, last.weight)
            for layer in linear:
                weight = torch.einsum("hf,fc...->hc...", layer.weight, weight.to(layer.weight))
                bias = layer.weight @ bias + _or_zeros(layer.bias, len(layer.weight), bias)
            through = None
            if isinstance(sight, Correlation) and sight.bound is not None:
                through = _bounded(sight.bound)
            kernel = Kernel(sight.level, weight, bias, through)
            return FusedMLP(kernel, last.weight, _or_zeros(last.bias, len(last.weight), bias))
        case MLPTerm():
            return "perceives more than one level in one net"
        case _:
            return "heeds its neighbours by attention"


def _expanded(sight: Correlation | Stencils) -> Tensor:
    """Return a correlation over all channels, `(features, C, *kernel)`."""
    if isinstance(sight, Correlation):
        return sight.weight
    each = torch.eye(sight.channels, dtype=sight.kernels.dtype, device=sight.kernels.device)
    return torch.einsum("ce,k...->cke...", each, sight.kernels).flatten(0, 1)


def _or_zeros(bias: Tensor | None, count: int, like: Tensor) -> Tensor:
    return like.new_zeros(count) if bias is None else bias


@cache
def _bounded(bound: float) -> Through:
    """Return the function that keeps numbers within a bound: one for all, so that it is shared."""

    def bounded(level: Tensor) -> Tensor:
        return bound * torch.tanh(level / bound)

    return bounded
