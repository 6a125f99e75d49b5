"""The weights of a fused step, laid out as its programs read them.

All lie in one row of numbers, in three parts: the first layers; the last layers, and then rate and
sharpness of each attention; and the shares of itself that a level adds. A first layer is a matrix
with one row for each tap and channel, `(9 * block, hidden)`, or, where cells perceive through
stencils, with one row for each stencil and channel, `(stencils * block, hidden)`; its next row is
its bias, and then come the stencils. A last layer is a matrix `(hidden, block)`, whose next row is
its bias. Channels are filled up with zeros to a power of two (`block`), hidden units to a multiple
of what a program holds at once (`wide`), so that programs read weights without masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.triton.plan import (
    MANY,
    SMALLEST,
    TAPS,
    AttentionPlan,
    LevelPlan,
    NetPlan,
    ShownPlan,
    StepPlan,
    perceived,
    power,
    stencils_pay,
)
from nca.engine.stencils import fold_stencils

EXACT, TF32, BFLOAT16 = "exact", ("tf32x3", "tf32"), ("reduced", "rounded")
"""Products of float32, which no tensor core takes, of its parts in TF32, and of bfloat16."""

WIDEST = 128
"""Hidden units that a program holds at once."""

WIDEST_BESIDE_MANY = 64
"""Hidden units beside many channels (`MANY`): with more, registers overflow into memory."""

WIDEST_PERCEIVED = 64
"""The same behind stencils: a program of 4 warps, each of which multiplies 16 rows of a tile, holds
so many and the gradients of both their layers."""

WIDEST_FLOAT32 = 64
"""The same where products are not those of bfloat16, and operands take twice the room."""

WIDEST_FLOAT32_BESIDE_MUCH = 32
"""The same where channels are many or a level has several nets, too: with more, the compiler takes
all of it together, and registers overflow."""

DEEPEST = {EXACT: 16, **dict.fromkeys(TF32, 32), **dict.fromkeys(BFLOAT16, 64)}
"""Rows of a first layer that one product takes; operands of exact ones lie in registers."""

TALLEST = 64
"""Rows of a first layer of which a program sums up the gradient, at most."""


@dataclass(frozen=True)
class NetWeights:
    """The weights of one net, and what it reads.

    Attributes:
        field: Which of the fields it reads.
        first: `(hidden, C read, 3, 3)`; behind stencils `(hidden, C read, S)`.
        first_bias: `(hidden)`.
        stencils: `(S, 3, 3)`, or None.
        last: `(C own, hidden)`.
        last_bias: `(C own)`.
    """

    field: int
    first: Tensor
    first_bias: Tensor
    stencils: Tensor | None
    last: Tensor
    last_bias: Tensor


@dataclass(frozen=True)
class LevelAttention:
    """An attention of the cells of a level to their neighbourhood.

    Attributes:
        plan: What counts for it; where its numbers lie is still open.
        rate: The share of the way to the mean that cells go, `()`.
        sharpness: See `nca.engine.program.AttentionWeights`, `()`.
    """

    plan: AttentionPlan
    rate: Tensor
    sharpness: Tensor


@dataclass(frozen=True)
class LevelWeights:
    """What is summed for one level.

    Attributes:
        field: Which of the fields is the level itself.
        channels: Its channels.
        nets: The nets that write to it.
        share: What share of itself is added, `()`, or None.
        fire: Number of the stream that decides which cells fire.
        noise: Numbers of the streams of its noise: none, one (uniform) or three (normal).
        attentions: How its cells attend to their neighbours.
    """

    field: int
    channels: int
    nets: Sequence[NetWeights]
    share: Tensor | None
    fire: int
    noise: Sequence[int]
    attentions: Sequence[LevelAttention] = ()


def most_channels(levels: Sequence[LevelWeights]) -> int:
    """Return the most channels that a net reads or writes."""
    read = [net.first.shape[1] for level in levels for net in level.nets]
    return max(*read, *(level.channels for level in levels), 0)


def lay_out(
    levels: Sequence[LevelWeights], shown: Sequence[ShownPlan], products: str
) -> tuple[StepPlan, Tensor]:
    """Return the plan and all weights in one row of numbers, as tensor operations of them.

    Args:
        levels: What is summed for each level; there is at least one.
        shown: What is computed of the levels before each step.
        products: How matrices are multiplied: see `nca.backends.triton.step.Weights`.
    """
    levels = [replace(level, nets=tuple(map(_folded, level.nets))) for level in levels]
    sizes = [_sizes(net, level, products) for level in levels for net in level.nets]
    at = _Places(firsts=0, lasts=sum(net.rows * net.hidden for net in sizes), handed=0)
    ends = [power(level.channels, SMALLEST) for level in levels for _ in level.nets]
    numbers = at.lasts + sum((n.hidden + 1) * end for n, end in zip(sizes, ends, strict=True))
    shares = numbers + 2 * sum(len(level.attentions) for level in levels)
    placed, firsts, lasts, attended, own = [], [], [], [], []
    waiting = iter(sizes)
    for level in levels:
        block, nets = power(level.channels, SMALLEST), []
        for weights in level.nets:
            net = at.put(next(waiting), block)
            nets.append(net)
            firsts.append(_first(weights, net))
            lasts.append(_last(weights, net, block))
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
                share,
                level.fire,
                tuple(level.noise),
                tuple(attentions),
            )
        )
    lasts_begin = sum(net.rows * net.hidden for net in sizes)
    sizes_of_parts = lasts_begin, shares - lasts_begin, len(own)
    plan = StepPlan(tuple(placed), *sizes_of_parts, at.handed, tuple(shown))
    return plan, torch.cat([part.flatten() for part in (*firsts, *lasts, *attended, *own)])


@dataclass
class _Places:
    """Where the next net's weights go."""

    firsts: int
    lasts: int
    handed: int

    def put(self, net: NetPlan, block: int) -> NetPlan:
        kernels = self.firsts + (perceived(net) + 1) * net.hidden
        placed = net._replace(
            first=self.firsts, kernels=kernels, last=self.lasts, ahead=self.handed
        )
        self.firsts += net.rows * net.hidden
        self.lasts += (net.hidden + 1) * block
        self.handed += net.handed
        return placed


def _widest(weights: NetWeights, level: LevelWeights, products: str) -> int:
    """Return how many hidden units of a net a program may hold at once."""
    many = max(power(weights.first.shape[1]), power(level.channels)) >= MANY
    if products in BFLOAT16:
        if weights.stencils is not None:
            return WIDEST_PERCEIVED
        return WIDEST_BESIDE_MANY if many else WIDEST
    return WIDEST_FLOAT32_BESIDE_MUCH if many or len(level.nets) > 1 else WIDEST_FLOAT32


def _folded(weights: NetWeights) -> NetWeights:
    """Return a net without stencils, unless cells better perceive through them."""
    stencils = weights.stencils
    if stencils is None:
        return weights
    # those that learn come by their gradient in the first layer
    if stencils_pay(weights.first.shape[1], len(stencils)) and not stencils.requires_grad:
        return weights
    return replace(weights, first=fold_stencils(weights.first, stencils), stencils=None)


def _sizes(weights: NetWeights, level: LevelWeights, products: str) -> NetPlan:
    hidden, channels = weights.first.shape[:2]
    wide = min(power(hidden, SMALLEST), _widest(weights, level, products))
    hidden = -(-hidden // wide) * wide
    net = NetPlan(
        field=weights.field,
        channels=channels,
        block=power(channels),
        stencils=0,
        hidden=hidden,
        wide=wide,
        deep=min(power(channels, SMALLEST), DEEPEST[products]),
        tall=min(power(TAPS * power(channels) + 1, SMALLEST), TALLEST),
        rows=0,
        kernels=0,
        first=0,
        last=0,
        handed=hidden,
        ahead=0,
    )
    if weights.stencils is None:
        return net._replace(rows=-(-(TAPS * net.block + 1) // net.tall) * net.tall)
    units, rest = divmod(len(weights.first), wide)
    hidden = units * wide + (power(rest, SMALLEST) if rest else 0)
    net = net._replace(
        block=power(channels, SMALLEST), stencils=len(weights.stencils), hidden=hidden
    )
    rows = perceived(net) + 1 + -(-weights.stencils.numel() // hidden)
    return net._replace(rows=rows, handed=perceived(net))


def _first(weights: NetWeights, net: NetPlan) -> Tensor:
    """Return a first layer, its bias and its stencils, `(rows, hidden)`."""
    hidden, channels = weights.first.shape[:2]
    each = weights.first.flatten(2).permute(2, 1, 0)  # (taps or stencils, C, hidden)
    matrix = F.pad(each, (0, net.hidden - hidden, 0, net.block - channels)).flatten()
    parts = [matrix, F.pad(weights.first_bias, (0, net.hidden - hidden))]
    if weights.stencils is not None:
        parts.append(weights.stencils.flatten().to(matrix))
    laid = torch.cat(parts)
    return F.pad(laid, (0, net.rows * net.hidden - len(laid)))


def _last(weights: NetWeights, net: NetPlan, block: int) -> Tensor:
    """Return a last layer and its bias, `(hidden + 1, block)`."""
    channels, hidden = weights.last.shape
    matrix = F.pad(weights.last.T, (0, block - channels, 0, net.hidden - hidden))
    return torch.cat([matrix, F.pad(weights.last_bias, (0, block - channels)).unsqueeze(0)])
