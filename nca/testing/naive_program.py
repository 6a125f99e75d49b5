"""What a program says, written as plainly as it can be: the judge of the engine."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    ACTIVATIONS,
    AttentionTerm,
    AttentionWeights,
    Correlation,
    DecayTerm,
    Location,
    Program,
    Stencils,
    Term,
)
from nca.engine.topology import raster_place
from nca.engine.view import View
from nca.testing.compare import demand


def naive(program: Program, view: View) -> Tensor:
    """Return the change that a program stands for, `(B, C, *space)`."""
    return torch.stack([_term(term, view) for term in program.terms]).sum(dim=0)


def _term(term: Term, view: View) -> Tensor:
    if isinstance(term, DecayTerm):
        return -term.rate * view.own
    if isinstance(term, AttentionTerm):
        around = view.neighbours(view.own, term.weights.radius)
        return term.rate * ((_attention(term.weights, view) * around).sum(dim=1) - view.own)
    if isinstance(term, TableTerm):
        return _looked_up(term, view)
    if isinstance(term, GatesTerm):
        return _gated(term, view)
    numbers = torch.stack([_perceived(one, view) for one in term.perceptions]).sum(dim=0)
    numbers = numbers.movedim(1, -1)
    for layer in term.layers:
        function = ACTIVATIONS.get(layer.activation)
        demand(not layer.dropout, "a layer drops units in evaluation")
        numbers = F.linear(function(numbers) if function else numbers, layer.weight, layer.bias)
    return numbers.movedim(-1, 1)


def _attention(weights: AttentionWeights, view: View) -> Tensor:
    there = view.neighbours(torch.ones_like(view.own[:1, :1]), weights.radius) > 0
    if not weights.itself:
        there[:, there.shape[1] // 2] = False
    energy = torch.zeros_like(there, dtype=view.own.dtype)
    for name, factor in zip(weights.levels, weights.factors, strict=True):
        level = view.level(name)
        if weights.cosine:
            level = level / (level.square().sum(dim=1, keepdim=True) + weights.tiny**2).sqrt()
        around = view.neighbours(level, weights.radius)
        energy = energy + factor * (around * level.unsqueeze(1)).sum(2, keepdim=True)
    sharpness = weights.sharpness
    if weights.rise:
        sharpness = sharpness * min((view.step + 1) / weights.rise, 1)
    return torch.softmax((sharpness * energy).masked_fill(~there, -torch.inf), dim=1)


def _perceived(perception: Correlation | Stencils | Location, view: View) -> Tensor:
    if isinstance(perception, Location):
        where = view.coordinates
        turns = 2 * math.pi * torch.arange(1, perception.frequencies + 1, dtype=where.dtype)
        angles = torch.einsum("f,ba...->bfa...", turns, where)
        code = torch.cat([angles.sin(), angles.cos()], dim=1).flatten(1, 2)
        return torch.einsum("of,bf...->bo...", perception.weight, code)
    level = view.level(perception.level)
    if isinstance(perception, Stencils):
        features: list[Tensor] = []
        for channel in level.unbind(1):
            seen = [
                view.correlate(channel.unsqueeze(1), kernel[None, None]).squeeze(1)
                for kernel in perception.kernels
            ]
            if perception.length:
                begin, end = perception.length[0], perception.length[-1] + 1
                length = (torch.stack(seen[begin:end]).square().sum(0) + 1e-8).sqrt()
                seen = [*seen[:begin], length, *seen[end:]]
            features += seen
        return torch.stack(features, dim=1)
    if perception.cell_map:
        level = perception.cell_map(level)
    if perception.attention is None:
        return view.correlate(level, perception.weight, perception.bias)
    around = view.neighbours(level, perception.attention.radius)
    scaled = around * _attention(perception.attention, view) * around.shape[1]
    kernel = perception.weight.flatten(2)
    found = torch.einsum("ocn,bnc...->bo...", kernel, scaled)
    if perception.bias is None:
        return found
    return found + perception.bias.view(-1, *(1,) * (found.ndim - 2))


def _looked_up(term: TableTerm, view: View) -> Tensor:
    around = view.neighbours(view.own, term.radius)  # (B, N, C, *space)
    column = torch.zeros_like(view.own)
    for offset, weight in zip(term.offsets, term.weights, strict=True):
        state = around[:, raster_place(offset, term.radius)].round().clamp(0, term.states - 1)
        for counted in term.counted:
            column += weight * (state == counted)
    own = view.own.round().clamp(0, term.states - 1)
    return term.successors[own.long(), column.long()].to(own.dtype) - view.own


def _gated(term: GatesTerm, view: View) -> Tensor:
    around = view.neighbours(view.own, term.radius)
    wires = [
        around[:, raster_place(offset, term.radius), channel]
        for offset in term.offsets
        for channel in range(around.shape[2])
    ]
    for layer in term.layers:
        reads = zip(layer.first.tolist(), layer.second.tolist(), strict=True)
        gates = zip(list(reads), layer.factors, strict=True)
        wires += [
            one + left * wires[a] + right * wires[b] + both * wires[a] * wires[b]
            for (a, b), (one, left, right, both) in gates
        ]
    return torch.stack(wires[-view.own.shape[1] :], dim=1) - view.own
