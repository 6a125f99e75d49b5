"""What a fused step is told ahead of time: which nets read what, and where their weights lie.

All weights lie in one row of numbers, in three parts: the first layers, the last layers, and the
shares of itself that a level adds. A first layer is a matrix of one row for each tap and channel,
`(9 * block, hidden)`, whose next row is its bias; a last layer is a matrix `(hidden, block)`, whose
next row is its bias. Channels are filled up with zeros to a power of two (`block`), hidden units to
a multiple of what a program holds at once (`wide`), so that programs read weights without masks.

The plan is a tree of plain numbers: programs are compiled for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = 9
"""Cells of a 3x3 neighbourhood, in raster order."""

SMALLEST = 16
"""The shortest side of a matrix that tensor cores multiply."""

WIDEST = 128
"""Hidden units that a program holds at once, at most."""

DEEPEST = 64
"""Rows of a first layer that a program works on at once, at most."""

WIDEST_EXACT, DEEPEST_EXACT = 64, 16
"""The same where products are exact: no tensor core does them, and operands lie in registers."""


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


class Net(NamedTuple):
    """One net: see the module for the layout of its weights.

    Attributes:
        field: Which of the fields it reads.
        channels: Channels of that field.
        block: The same, filled up to a power of two.
        hidden: Hidden units, filled up to a multiple of `wide`.
        wide: Hidden units that a program holds at once.
        deep: Rows of the first layer that one product takes.
        tall: Rows of the first layer of which a program computes the gradient.
        rows: Rows of the first layer, its bias and rows of zeros included.
        first: Where its first layer begins.
        last: Where its last layer begins.
        ahead: Hidden units of all nets before it.
    """

    field: int
    channels: int
    block: int
    hidden: int
    wide: int
    deep: int
    tall: int
    rows: int
    first: int
    last: int
    ahead: int


class Level(NamedTuple):
    """One level that is written: its own field, its nets, its streams of randomness."""

    field: int
    channels: int
    block: int
    nets: tuple[Net, ...]
    share: int
    fire: int
    noise: tuple[int, ...]


class Plan(NamedTuple):
    """All levels that are written, and the sizes of the three parts of the weights.

    Attributes:
        levels: In the order in which they are handed out.
        firsts: Numbers in all first layers.
        lasts: Numbers in all last layers.
        shares: How many levels add a share of themselves.
        hidden: Hidden units of all nets.
    """

    levels: tuple[Level, ...]
    firsts: int
    lasts: int
    shares: int
    hidden: int


class Unit(NamedTuple):
    """A share of the work on the gradients of weights: some hidden units of one net.

    Attributes:
        place: Where the level that the net writes to stands in the plan.
        level: That level.
        net: The net.
        start: The first of `net.wide` hidden units.
    """

    place: int
    level: Level
    net: Net
    start: int


class Target(NamedTuple):
    """A field whose gradient is asked for.

    Attributes:
        field: Which of the fields.
        channels: Its channels.
        block: The same, filled up to a power of two.
        nets: The nets that read it.
        place: Where it stands in the plan if it is a level that is written; else -1.
        level: That level, or any.
        share: How many levels before it add a share of themselves.
    """

    field: int
    channels: int
    block: int
    nets: tuple[Net, ...]
    place: int
    level: Level
    share: int


def units(plan: Plan) -> tuple[Unit, ...]:
    """Return the hidden layers in pieces that a program can hold."""
    return tuple(
        Unit(place, level, net, start)
        for place, level in enumerate(plan.levels)
        for net in level.nets
        for start in range(0, net.hidden, net.wide)
    )


def targets(plan: Plan, channels: Sequence[int], wanted: Sequence[bool]) -> tuple[Target, ...]:
    """Return what is needed to compute the gradients of the wanted fields.

    Args:
        plan: The plan.
        channels: Of each field.
        wanted: Which fields' gradients are asked for; a level that adds a share of itself is
            among them in any case, for the sake of that share.
    """
    places = {level.field: place for place, level in enumerate(plan.levels)}
    found = []
    for field, count in enumerate(channels):
        place = places.get(field, -1)
        level = plan.levels[place]
        shares = place >= 0 and level.share >= 0
        if wanted[field] or shares:
            nets = tuple(net for level in plan.levels for net in level.nets if net.field == field)
            share = level.share - plan.firsts - plan.lasts if shares else -1
            block = power(count, SMALLEST)
            found.append(Target(field, count, block, nets, place, level, share))
    return tuple(found)


def power(number: int, least: int = 1) -> int:
    """Return the smallest power of two that is neither below the number nor below `least`."""
    return max(least, 1 << (number - 1).bit_length())


def lay_out(levels: Sequence[LevelWeights], *, exact: bool) -> tuple[Plan, Tensor]:
    """Return the plan and all weights in one row of numbers, as tensor operations of them.

    Args:
        levels: What is summed for each level; there is at least one.
        exact: Whether products are those of float32.
    """
    sizes = [_sizes(net, exact) for level in levels for net in level.nets]
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
            Level(
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
    plan = Plan(tuple(placed), lasts_begin, shares - lasts_begin, len(own), at.hidden)
    return plan, torch.cat([part.flatten() for part in (*firsts, *lasts, *own)])


@dataclass
class _Places:
    """Where the next net's weights go."""

    firsts: int
    lasts: int
    hidden: int

    def put(self, net: Net, block: int) -> Net:
        placed = net._replace(first=self.firsts, last=self.lasts, ahead=self.hidden)
        self.firsts += net.rows * net.hidden
        self.lasts += (net.hidden + 1) * block
        self.hidden += net.hidden
        return placed


def _sizes(weights: NetWeights, exact: bool) -> Net:
    hidden, channels = weights.first.shape[:2]
    block = power(channels)
    wide = min(power(hidden, SMALLEST), WIDEST_EXACT if exact else WIDEST)
    tall = min(power(TAPS * block + 1, SMALLEST), DEEPEST)
    return Net(
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


def _first(weights: NetWeights, net: Net) -> Tensor:
    """Return a first layer and its bias, `(rows, hidden)`."""
    hidden, channels = weights.first.shape[:2]
    taps = weights.first.permute(2, 3, 1, 0).reshape(TAPS, channels, hidden)
    matrix = F.pad(taps, (0, net.hidden - hidden, 0, net.block - channels)).flatten(0, 1)
    bias = F.pad(weights.first_bias, (0, net.hidden - hidden)).unsqueeze(0)
    return F.pad(torch.cat([matrix, bias]), (0, 0, 0, net.rows - len(matrix) - 1))


def _last(weights: NetWeights, net: Net, block: int) -> Tensor:
    """Return a last layer and its bias, `(hidden + 1, block)`."""
    channels, hidden = weights.last.shape
    matrix = F.pad(weights.last.T, (0, block - channels, 0, net.hidden - hidden))
    return torch.cat([matrix, F.pad(weights.last_bias, (0, block - channels)).unsqueeze(0)])
