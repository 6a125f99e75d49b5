"""What tiles can compute, found in what rules declare."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.backends.tiled.perception import unit_kernels
from nca.engine.context import RuleContext
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    AttentionTerm,
    CellMap,
    Correlation,
    DecayTerm,
    Layer,
    MLPTerm,
    NotDeclared,
    Perception,
    Program,
    Stencils,
    Term,
)
from nca.types import Size


@dataclass(frozen=True, eq=False)
class Reading:
    """What cells see of a level: all its channels through each of K kernels.

    Attributes:
        level: The level's name.
        cell_map: What is done to each cell before it is seen, or None.
        kernels: `(K, *kernel)`.
    """

    level: str
    cell_map: CellMap | None
    kernels: Tensor

    @property
    def sides(self) -> Size:
        """The sides of a kernel."""
        return tuple(self.kernels.shape[1:])

    @property
    def reach(self) -> Size:
        """How many cells away cells see, along each axis."""
        return tuple(side // 2 for side in self.sides)

    def same_as(self, other: "Reading") -> bool:
        """Return whether the same is seen."""
        alike = (self.level, self.cell_map) == (other.level, other.cell_map)
        return alike and torch.equal(self.kernels, other.kernels)


@dataclass(frozen=True)
class TiledMLP:
    """Layers over what cells see, the readings side by side, kernel by kernel.

    Attributes:
        readings: What is seen.
        length: Of which kernels the length alone is seen; see `Stencils`. Only with one reading.
        layers: The first is `(units, sum of K * C over the readings)`.
    """

    readings: tuple[Reading, ...]
    length: tuple[int, ...]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class TiledDecay:
    """A share of the rule's own level, taken away.

    Attributes:
        rate: The share, a number or `()`.
    """

    rate: Tensor | float


TiledTerm = TiledMLP | TiledDecay


def lower_to_tiles(program: Program | NotDeclared, context: RuleContext) -> list[TiledTerm] | str:
    """Return the terms whose sum a program is, as tiles compute them, or why there are none."""
    if isinstance(program, NotDeclared):
        return program.why
    found = [_lowered(term, context) for term in program.terms]
    reasons = [one for one in found if isinstance(one, str)]
    return reasons[0] if reasons else [one for one in found if not isinstance(one, str)]


def _lowered(term: Term, context: RuleContext) -> TiledTerm | str:
    match term:
        case DecayTerm(rate):
            return TiledDecay(rate)
        case AttentionTerm():
            return "attends to its neighbours"
        case TableTerm() | GatesTerm():
            return "is a table or a network of logic gates"
        case MLPTerm(_, layers) if any(layer.dropout for layer in layers):
            return "drops units by chance in training"
        case MLPTerm((Stencils() as stencils,), layers):
            net = _over_stencils(stencils, layers, context)
        case MLPTerm(perceptions, layers) if any(isinstance(p, Stencils) for p in perceptions):
            net = _over_both(perceptions, layers, context)
        case MLPTerm(perceptions, layers):
            net = _over_correlations(perceptions, layers, context)
    return net if isinstance(net, str) else _fitting(net, context)


def _over_stencils(
    stencils: Stencils, layers: tuple[Layer, ...], context: RuleContext
) -> TiledMLP | str:
    if stencils.kernels.requires_grad:
        return "learns its stencils"
    first, *others = layers
    # columns are channel by channel, and what is seen kernel by kernel
    columns = first.weight.unflatten(1, (stencils.channels, -1)).transpose(1, 2).flatten(1)
    reading = Reading(context.name_of(stencils.level), None, stencils.kernels)
    first = Layer(columns, first.bias, first.activation)
    return TiledMLP((reading,), stencils.length, (first, *others))


def _over_both(
    perceptions: tuple[Perception, ...], layers: tuple[Layer, ...], context: RuleContext
) -> TiledMLP | str:
    """Return layers over the sum of what stencils and kernels perceive.

    The first layer is linear in each of them, so that a kernel and the layer are one layer.
    """
    stencils = [one for one in perceptions if isinstance(one, Stencils)]
    kernels = tuple(one for one in perceptions if not isinstance(one, Stencils))
    first, *others = layers
    if first.activation != "none" or any(one.length for one in stencils):
        return "bends the sum of what stencils and other things perceive"
    nets = [_over_stencils(one, (Layer(first.weight, None, "none"),), context) for one in stencils]
    if kernels:
        nets.append(_over_correlations(kernels, (), context))
    found = [net for net in nets if not isinstance(net, str)]
    if len(found) < len(nets):
        return next(net for net in nets if isinstance(net, str))
    weights = [net.layers[0].weight for net in found]
    bias, also = first.bias, found[-1].layers[0].bias
    if kernels:
        weights[-1] = first.weight @ weights[-1]
    if also is not None:
        also = first.weight @ also
        bias = also if bias is None else bias + also
    readings = tuple(one for net in found for one in net.readings)
    return TiledMLP(readings, (), (Layer(torch.cat(weights, dim=1), bias, "none"), *others))


def _over_correlations(
    perceptions: tuple[Perception, ...], layers: tuple[Layer, ...], context: RuleContext
) -> TiledMLP | str:
    readings, weights, biases = [], [], []
    for one in perceptions:
        if not isinstance(one, Correlation):
            return "perceives where its cells are"
        if one.attention is not None:
            return "attends to its neighbours"
        sides = tuple(one.weight.shape[2:])
        level = context.name_of(one.level)
        readings.append(Reading(level, one.cell_map, unit_kernels(sides)))
        weights.append(one.weight.movedim(1, -1).flatten(1))
        biases += [] if one.bias is None else [one.bias]
    bias = torch.stack(biases).sum(0) if len(biases) > 1 else (biases or [None])[0]
    weight = torch.cat(weights, dim=1) if len(weights) > 1 else weights[0]
    return TiledMLP(tuple(readings), (), (Layer(weight, bias, "none"), *layers))


def _fitting(net: TiledMLP, context: RuleContext) -> TiledMLP | str:
    """Return a net whose layers fit one another and their levels, or why it is none."""
    dropped = max(len(net.length) - 1, 0)
    numbers = sum(
        (len(one.kernels) - dropped) * context.level(one.level).channels for one in net.readings
    )
    for layer in net.layers:
        if layer.weight.shape[1] != numbers:
            return f"has a layer of {layer.weight.shape[1]} numbers that is given {numbers}"
        numbers = layer.weight.shape[0]
    if numbers != context.own.channels:
        return f"changes {numbers} channels of {context.own.channels}"
    kernels = {tuple(one.kernels.shape[1:]) for one in net.readings}
    if any(math.prod(sides) % 2 == 0 or len(sides) != context.axes for sides in kernels):
        return "has kernels that do not fit the axes of the grid"
    return net
