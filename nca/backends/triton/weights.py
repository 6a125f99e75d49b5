"""The weights of a fused step, laid out as its programs read them.

All lie in one row of numbers, in three parts: the first layers; the last layers, and then rate and
sharpness of each attention; and the shares of itself that a level adds; all layers of deep nets are
among the first (`layers`). A first layer is a matrix with one row for each tap and channel,
`(9 * block, hidden)`, or, where cells perceive through stencils, with one row for each stencil and
channel, `(stencils * block, hidden)`; its next row is its bias, and then come the stencils. A last
layer is a matrix `(hidden, block)`, whose next row is its bias. Channels are filled up with zeros
to a power of two (`block`), hidden units to a multiple of what a program holds at once (`wide`), so
that programs read weights without masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.triton.layers import LayerWeights, layer_matrix, layer_plans
from nca.backends.triton.level_weights import LevelWeights, NetWeights, ReadWeights
from nca.backends.triton.plan import (
    SMALLEST,
    DeepPlan,
    LevelPlan,
    NetPlan,
    ShownPlan,
    StepPlan,
    perceived,
    power,
    stencils_pay,
)
from nca.backends.triton.sizes import DEEPEST, net_plan, widest_of
from nca.engine.stencils import fold_stencils


def lay_out(
    levels: Sequence[LevelWeights], shown: Sequence[ShownPlan], products: str
) -> tuple[StepPlan, Tensor]:
    """Return the plan and all weights in one row of numbers, as tensor operations of them.

    Args:
        levels: What is summed for each level; there is at least one.
        shown: What is computed of the levels for nets to read.
        products: How matrices are multiplied: see `nca.backends.triton.step.Weights`.
    """
    levels = [replace(level, nets=tuple(map(_folded, level.nets))) for level in levels]
    sizes = [_sizes(net, level, products) for level in levels for net in level.nets]
    at = _Places(lasts=sum(map(_numbers, sizes)))
    ends = [power(level.channels, SMALLEST) for level in levels for _ in level.nets]
    numbers = at.lasts + sum(
        (net.hidden + 1) * end
        for net, end in zip(sizes, ends, strict=True)
        if isinstance(net, NetPlan)
    )
    shares = numbers + 2 * sum(len(level.attentions) for level in levels)
    placed, firsts, lasts, attended, own = [], [], [], [], []
    waiting = iter(sizes)
    for level in levels:
        block, nets, deep = power(level.channels, SMALLEST), [], []
        for weights in level.nets:
            match next(waiting):
                case NetPlan() as unplaced:
                    net = at.put(unplaced, block)
                    nets.append(net)
                    firsts.append(_first(weights.reads[0], weights.bias, net))
                    lasts.append(_last(weights.layers[0], net, block))
                case unplaced:
                    net = at.put_deep(unplaced)
                    deep.append(net)
                    firsts += _deep(weights, net)
        attentions = []
        for one in level.attentions:
            ahead = len(attended) // 2
            attentions.append(one.plan._replace(numbers=numbers + len(attended), ahead=ahead))
            attended += [one.rate.reshape(1), one.sharpness.reshape(1)]
        share = -1
        if level.share is not None:
            share = shares + len(own)
            own.append(level.share.reshape(1))
        placed.append(
            LevelPlan(
                level.field,
                level.channels,
                block,
                tuple(nets),
                tuple(deep),
                share,
                level.fire,
                tuple(level.noise),
                tuple(attentions),
            )
        )
    lasts_begin = sum(map(_numbers, sizes))
    sizes_of_parts = lasts_begin, shares - lasts_begin, len(own)
    plan = StepPlan(tuple(placed), *sizes_of_parts, at.handed, at.kept, tuple(shown))
    return plan, torch.cat([part.flatten() for part in (*firsts, *lasts, *attended, *own)])


@dataclass
class _Places:
    """Where the next net's weights go, and what it keeps and hands on of each cell."""

    lasts: int
    firsts: int = 0
    handed: int = 0
    kept: int = 0

    def put(self, net: NetPlan, block: int) -> NetPlan:
        kernels = self.firsts + (perceived(net) + 1) * net.hidden
        placed = net._replace(
            first=self.firsts, kernels=kernels, last=self.lasts, ahead=self.handed
        )
        self.firsts += net.rows * net.hidden
        self.lasts += (net.hidden + 1) * block
        self.handed += net.handed
        return placed

    def put_deep(self, net: DeepPlan) -> DeepPlan:
        reads, layers = [], []
        for read in net.reads:  # all hand on the same numbers
            reads.append(read._replace(first=self.firsts, ahead=self.handed))
            self.firsts += read.rows * read.hidden
        for layer in net.layers:
            before, self.handed = self.handed, self.handed + layer.inputs
            places = {"kept": self.kept, "before": before, "after": self.handed}
            layers.append(layer._replace(first=self.firsts, **places))
            self.firsts += layer.rows * layer.outputs
            self.kept += layer.inputs
        self.handed += net.layers[-1].outputs
        return DeepPlan(tuple(reads), tuple(layers))


def _folded(weights: NetWeights) -> NetWeights:
    """Return a net without stencils, unless cells better perceive through them."""
    return replace(weights, reads=tuple(_read(one, weights.deep) for one in weights.reads))


def _read(read: ReadWeights, deep: bool) -> ReadWeights:
    stencils = read.stencils
    if stencils is None:
        return read
    # those that learn come by their gradient in the first layer
    pay = stencils_pay(read.weight.shape[1], len(stencils)) and not stencils.requires_grad
    if pay and not deep:
        return read
    return replace(read, weight=fold_stencils(read.weight, stencils), stencils=None)


def _sizes(weights: NetWeights, level: LevelWeights, products: str) -> NetPlan | DeepPlan:
    widest = widest_of(weights, level, products)
    first, *_ = weights.layers
    reads = [net_plan(one, first.activation, widest, products) for one in weights.reads]
    if not weights.deep:
        return reads[0]
    given = reads[0].hidden, reads[0].wide
    block = power(level.channels, SMALLEST)
    layers = layer_plans(weights.layers, given, block, widest, DEEPEST[products])
    return DeepPlan(tuple(reads), layers)


def _numbers(net: NetPlan | DeepPlan) -> int:
    """Return how many numbers of a net are in the part of first layers."""
    if isinstance(net, NetPlan):
        return net.rows * net.hidden
    return sum(map(_numbers, net.reads)) + sum(one.rows * one.outputs for one in net.layers)


def _deep(weights: NetWeights, net: DeepPlan) -> list[Tensor]:
    """Return the layers of a deep net, each with its bias; that of the first stands once."""
    biases = [weights.bias, *(torch.zeros_like(weights.bias) for _ in net.reads[1:])]
    reads = zip(weights.reads, biases, net.reads, strict=True)
    return [
        *(_first(read, bias, plan) for read, bias, plan in reads),
        *(layer_matrix(*each) for each in zip(weights.layers, net.layers, strict=True)),
    ]


def _first(read: ReadWeights, bias: Tensor, net: NetPlan) -> Tensor:
    """Return a first layer, its bias and its stencils, `(rows, hidden)`."""
    hidden, channels = read.weight.shape[:2]
    each = read.weight.flatten(2).permute(2, 1, 0)  # (taps or stencils, C, hidden)
    matrix = F.pad(each, (0, net.hidden - hidden, 0, net.block - channels)).flatten()
    parts = [matrix, F.pad(bias, (0, net.hidden - hidden))]
    if read.stencils is not None:
        parts.append(read.stencils.flatten().to(matrix))
    laid = torch.cat(parts)
    return F.pad(laid, (0, net.rows * net.hidden - len(laid)))


def _last(layer: LayerWeights, net: NetPlan, block: int) -> Tensor:
    """Return a last layer and its bias, `(hidden + 1, block)`."""
    channels, hidden = layer.weight.shape
    matrix = F.pad(layer.weight.T, (0, block - channels, 0, net.hidden - hidden))
    return torch.cat([matrix, F.pad(layer.bias, (0, block - channels)).unsqueeze(0)])
