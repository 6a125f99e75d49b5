"""The weights of a fused step, laid out as its programs read them.

All lie in one row of numbers, in three parts: the first layers, the last layers, and the shares of
itself that a level adds. A first layer is a matrix with one row for each tap and channel,
`(9 * block, hidden)`, whose next row is its bias; a last layer is a matrix `(hidden, block)`, whose
next row is its bias. Channels are filled up with zeros to a power of two (`block`), hidden units to
a multiple of what a program holds at once (`wide`), so that programs read weights without masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.triton.plan import (
    MANY,
    SMALLEST,
    TAPS,
    LevelPlan,
    NetPlan,
    ShownPlan,
    StepPlan,
    power,
)

WIDEST, DEEPEST = 128, 64
"""Hidden units that a program holds at once, and rows of a first layer that one product takes."""

WIDEST_BESIDE_MANY = 64
"""Hidden units beside many channels (`MANY`): with more, registers overflow into memory."""

WIDEST_EXACT, DEEPEST_EXACT = 64, 16
"""The same where products are exact: no tensor core does them, and operands lie in registers."""

WIDEST_EXACT_BESIDE_MUCH = 32
"""Hidden units where products are exact and channels are many or a level has several nets: with
more, the compiler takes all of it together, and registers overflow."""

TALLEST = 64
"""Rows of a first layer of which a program sums up the gradient, at most."""


@dataclass(frozen=True)
class NetWeights:
    """The weights of one net, and what it reads.

    Attributes:
        field: Which of the fields it reads.
        first: `(hidden, C read, 3, 3)`.
        first_bias: `(hidden)`.
        last: `(C own, hidden)`.
        last_bias: `(C own)`.
    """

    field: int
    first: Tensor
    first_bias: Tensor
    last: Tensor
    last_bias: Tensor


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
    """

    field: int
    channels: int
    nets: Sequence[NetWeights]
    share: Tensor | None
    fire: int
    noise: Sequence[int]


def lay_out(
    levels: Sequence[LevelWeights], shown: Sequence[ShownPlan], *, exact: bool
) -> tuple[StepPlan, Tensor]:
    """Return the plan and all weights in one row of numbers, as tensor operations of them.

    Args:
        levels: What is summed for each level; there is at least one.
        shown: What is computed of the levels before each step.
        exact: Whether products are those of float32.
    """
    sizes = [_sizes(net, level, exact) for level in levels for net in level.nets]
    at = _Places(firsts=0, lasts=sum(net.rows * net.hidden for net in sizes), hidden=0)
    ends = [power(level.channels, SMALLEST) for level in levels for _ in level.nets]
    shares = at.lasts + sum((n.hidden + 1) * end for n, end in zip(sizes, ends, strict=True))
    placed, firsts, lasts, own = [], [], [], []
    waiting = iter(sizes)
    for level in levels:
        block, nets = power(level.channels, SMALLEST), []
        for weights in level.nets:
            net = at.put(next(waiting), block)
            nets.append(net)
            firsts.append(_first(weights, net))
            lasts.append(_last(weights, net, block))
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
            )
        )
    lasts_begin = sum(net.rows * net.hidden for net in sizes)
    sizes_of_parts = lasts_begin, shares - lasts_begin, len(own)
    plan = StepPlan(tuple(placed), *sizes_of_parts, at.hidden, tuple(shown))
    return plan, torch.cat([part.flatten() for part in (*firsts, *lasts, *own)])


@dataclass
class _Places:
    """Where the next net's weights go."""

    firsts: int
    lasts: int
    hidden: int

    def put(self, net: NetPlan, block: int) -> NetPlan:
        placed = net._replace(first=self.firsts, last=self.lasts, ahead=self.hidden)
        self.firsts += net.rows * net.hidden
        self.lasts += (net.hidden + 1) * block
        self.hidden += net.hidden
        return placed


def _widest(weights: NetWeights, level: LevelWeights, exact: bool) -> int:
    """Return how many hidden units of a net a program may hold at once."""
    many = max(power(weights.first.shape[1]), power(level.channels)) >= MANY
    if exact:
        return WIDEST_EXACT_BESIDE_MUCH if many or len(level.nets) > 1 else WIDEST_EXACT
    return WIDEST_BESIDE_MANY if many else WIDEST


def _sizes(weights: NetWeights, level: LevelWeights, exact: bool) -> NetPlan:
    hidden, channels = weights.first.shape[:2]
    block = power(channels)
    wide = min(power(hidden, SMALLEST), _widest(weights, level, exact))
    tall = min(power(TAPS * block + 1, SMALLEST), TALLEST)
    return NetPlan(
        field=weights.field,
        channels=channels,
        block=block,
        hidden=-(-hidden // wide) * wide,
        wide=wide,
        deep=min(max(block, SMALLEST), DEEPEST_EXACT if exact else DEEPEST),
        tall=tall,
        rows=-(-(TAPS * block + 1) // tall) * tall,
        first=0,
        last=0,
        ahead=0,
    )


def _first(weights: NetWeights, net: NetPlan) -> Tensor:
    """Return a first layer and its bias, `(rows, hidden)`."""
    hidden, channels = weights.first.shape[:2]
    taps = weights.first.permute(2, 3, 1, 0).reshape(TAPS, channels, hidden)
    matrix = F.pad(taps, (0, net.hidden - hidden, 0, net.block - channels)).flatten(0, 1)
    bias = F.pad(weights.first_bias, (0, net.hidden - hidden)).unsqueeze(0)
    return F.pad(torch.cat([matrix, bias]), (0, 0, 0, net.rows - len(matrix) - 1))


def _last(weights: NetWeights, net: NetPlan, block: int) -> Tensor:
    """Return a last layer and its bias, `(hidden + 1, block)`."""
    channels, hidden = weights.last.shape
    matrix = F.pad(weights.last.T, (0, block - channels, 0, net.hidden - hidden))
    return torch.cat([matrix, F.pad(weights.last_bias, (0, block - channels)).unsqueeze(0)])
