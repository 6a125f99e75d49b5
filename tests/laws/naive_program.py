"""What a program says, written as plainly as it can be: the judge of the engine."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import AttentionTerm, Correlation, DecayTerm, Location, MLPTerm, Program, Stencils, View
from nca.engine.program import ACTIVATIONS, AttentionWeights, Term


def naive(program: Program, view: View) -> Tensor:
    return torch.stack([_term(term, view) for term in program.terms]).sum(dim=0)


def _term(term: Term, view: View) -> Tensor:
    if isinstance(term, DecayTerm):
        return -term.rate * view.own
    if isinstance(term, AttentionTerm):
        around = view.neighbours(view.own, term.weights.radius)
        return term.rate * ((_attention(term.weights, view) * around).sum(dim=1) - view.own)
    assert isinstance(term, MLPTerm)
    numbers = torch.stack([_perceived(one, view) for one in term.perceptions]).sum(dim=0)
    numbers = numbers.movedim(1, -1)
    for layer in term.layers:
        function = ACTIVATIONS.get(layer.activation)
        assert not layer.dropout
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
        features = []
        for channel in level.unbind(1):
            seen = [
                view.correlate(channel.unsqueeze(1), kernel[None, None]).squeeze(1)
                for kernel in perception.kernels
            ]
            if perception.length:
                begin, end = perception.length[0], perception.length[-1] + 1
                length = (sum(one**2 for one in seen[begin:end]) + 1e-8) ** 0.5
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
