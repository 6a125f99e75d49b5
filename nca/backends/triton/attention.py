"""Attention between the cells of a level, and its gradient, in Triton.

A cell p attends to the nine cells q of its neighbourhood, itself among them or not:

    energy(p, q) = sum over levels of factor * agreement of p and q at that level
    weight(p, q) = softmax over q of sharpness * energy(p, q)
    change(p) = rate * (sum over q of weight(p, q) * own(q) - own(p))

All of it is of float32. Backward, a program for each attention computes the weights again, and
hands on 18 numbers of each cell p, so that no cell that gathers them needs a cell two away: for
each q its weight, times the rate and the size of a step, and the gradient of its energy. Both stand
neighbour by neighbour, `(2, 9, cells)`, so that the numbers of cells side by side are.

Legend: M rows of a tile, C channels, T neighbours, filled up to 16.
"""

import triton
import triton.language as tl

from nca.backends.triton.perceive import tap_rows
from nca.backends.triton.plan import MANY, TAPS

_TAPS = tl.constexpr(TAPS)
_COLUMNS = tl.constexpr(16)
MANY_CHANNELS = tl.constexpr(MANY)
"""Channels from which on one neighbour at a time is read, since registers hold no more; of fewer,
three are on their way at once."""


@triton.jit
def _over_length(numbers, TINY: tl.constexpr):
    """Return one over the length of each row, `(M, 1)`."""
    return 1 / tl.sqrt_rn(tl.sum(numbers * numbers, axis=1, keep_dims=True) + TINY * TINY)


@triton.jit
def _agreement(
    field, row, inside, energy, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    """Add what agreement at one level counts to the energy, `(M, T)`."""
    ATTENTION: tl.constexpr = LEVEL.attentions[N]
    AGREEING: tl.constexpr = LEVEL.attentions[N].levels[K]
    CHANNELS: tl.constexpr = AGREEING.channels
    BLOCK: tl.constexpr = AGREEING.block
    AHEAD: tl.constexpr = 3 if BLOCK < MANY_CHANNELS else 1
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < CHANNELS)
    own = tl.load(field + row.to(tl.int64) * CHANNELS + channel, mask=there, other=0.0)
    if ATTENTION.cosine:
        own *= _over_length(own, ATTENTION.tiny)
    column = tl.arange(0, _COLUMNS)[None, :]
    for part in range(_TAPS // AHEAD):
        for n in tl.static_range(AHEAD):
            tap = AHEAD * part + n
            at = tap_rows(row, tap, height, width, 1).to(tl.int64)
            seen = tl.load(field + at * CHANNELS + channel, mask=there, other=0.0)
            agreement = tl.sum(own * seen, axis=1, keep_dims=True)
            if ATTENTION.cosine:
                agreement *= _over_length(seen, ATTENTION.tiny)
            energy += tl.where(column == tap, AGREEING.factor * agreement, 0.0)
    return energy


@triton.jit
def energy_of(
    fields, row, inside, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Return the energy of each neighbour, `(M, T)`; 0 beyond the ninth."""
    energy = tl.zeros((TILE, _COLUMNS), tl.float32)
    LEVELS: tl.constexpr = len(LEVEL.attentions[N].levels)
    for k in tl.static_range(LEVELS):
        field = fields[LEVEL.attentions[N].levels[k].field]
        energy = _agreement(field, row, inside, energy, height, width, LEVEL, N, k)
    return energy


@triton.jit
def _risen(draw, LEVEL: tl.constexpr, N: tl.constexpr):
    """Return the share of its sharpness that attention has in this step."""
    RISE: tl.constexpr = LEVEL.attentions[N].rise
    share = 1.0
    if RISE > 0:
        step = draw[2].to(tl.uint32).to(tl.float32)
        share = tl.minimum((step + 1) / RISE, 1.0)
    return share


@triton.jit
def _attention(energy, sharpness, ITSELF: tl.constexpr):
    """Return how much cells attend to each neighbour, `(M, T)`; sums to 1."""
    column = tl.arange(0, _COLUMNS)[None, :]
    near = column < _TAPS
    if not ITSELF:
        near = near & (column != 4)
    scores = tl.where(near, sharpness * energy, float("-inf"))
    shares = tl.exp(scores - tl.max(scores, axis=1, keep_dims=True))
    return shares / tl.sum(shares, axis=1, keep_dims=True)


@triton.jit
def attended(
    fields, weights, own, row, inside, draw, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Return a share of the way to the mean of the cells that are attended to, `(M, C)`."""
    BLOCK: tl.constexpr = LEVEL.block
    AHEAD: tl.constexpr = 3 if BLOCK < MANY_CHANNELS else 1
    numbers = weights + LEVEL.attentions[N].numbers
    energy = energy_of(fields, row, inside, height, width, LEVEL, N, TILE)
    sharpness = tl.load(numbers + 1) * _risen(draw, LEVEL, N)
    attention = _attention(energy, sharpness, LEVEL.attentions[N].itself)
    field = fields[LEVEL.field]
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < LEVEL.channels)
    column = tl.arange(0, _COLUMNS)[None, :]
    way = tl.zeros((TILE, BLOCK), tl.float32)
    for part in range(_TAPS // AHEAD):
        for n in tl.static_range(AHEAD):
            tap = AHEAD * part + n
            at = tap_rows(row, tap, height, width, 1).to(tl.int64)
            seen = tl.load(field + at * LEVEL.channels + channel, mask=there, other=0.0)
            share = tl.sum(tl.where(column == tap, attention, 0.0), axis=1, keep_dims=True)
            way += share * (seen - own)
    return tl.load(numbers) * way


@triton.jit
def hand_attention(
    field, energy, slope, weights, out, row, inside, draw, size, count, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Write what cells hand to those that they attend to.

    A weight goes on times the rate and the size of a step, to be multiplied with the gradient of
    the level.

    Returns:
        Their parts of the gradients of rate and sharpness, `(M, 1)` each; 0 outside of the grid.
    """
    BLOCK: tl.constexpr = LEVEL.block
    AHEAD: tl.constexpr = 3 if BLOCK < MANY_CHANNELS else 1
    numbers = weights + LEVEL.attentions[N].numbers
    rate, risen = tl.load(numbers), _risen(draw, LEVEL, N)
    sharpness = tl.load(numbers + 1) * risen
    attention = _attention(energy, sharpness, LEVEL.attentions[N].itself)
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < LEVEL.channels)
    own = tl.load(field + row.to(tl.int64) * LEVEL.channels + channel, mask=there, other=0.0)
    column = tl.arange(0, _COLUMNS)[None, :]
    pulls = tl.zeros((TILE, _COLUMNS), tl.float32)
    for part in range(_TAPS // AHEAD):
        for n in tl.static_range(AHEAD):
            tap = AHEAD * part + n
            at = tap_rows(row, tap, height, width, 1).to(tl.int64)
            seen = tl.load(field + at * LEVEL.channels + channel, mask=there, other=0.0)
            pull = tl.sum(slope * (seen - own), axis=1, keep_dims=True)
            pulls += tl.where(column == tap, pull, 0.0)
    mean = tl.sum(attention * pulls, axis=1, keep_dims=True)
    of_scores = rate * attention * (pulls - mean)
    # a cell that rests has no gradient of its change, whatever that of its level
    moves = tl.max(tl.abs(slope), axis=1, keep_dims=True) > 0
    at = out + column * count.to(tl.int64) + row
    stored = inside & (column < _TAPS)
    tl.store(at, tl.where(moves, rate * size, 0.0) * attention, mask=stored)
    tl.store(at + _TAPS * count.to(tl.int64), sharpness * of_scores, mask=stored)
    return mean, risen * tl.sum(of_scores * energy, axis=1, keep_dims=True)


@triton.jit
def of_attended(
    field, gradient, handed, row, inside, total, count, height, width,
    TARGET: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Add what one attention hands to the cells of a field, `(M, C)`.

    A cell is attended to by its neighbours, and its own energies change with it; both are the same
    product of two cells, so their gradients are gathered together.
    """
    HEARD: tl.constexpr = TARGET.attentions[N]
    BLOCK: tl.constexpr = TARGET.block
    CHANNELS: tl.constexpr = TARGET.channels
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < CHANNELS)
    cells = count.to(tl.int64)
    weights = handed + HEARD.ahead * 2 * _TAPS * cells
    energies = weights + _TAPS * cells
    back = tl.zeros((TILE, BLOCK), tl.float32)
    for tap in range(9):
        # from there, the cell is on the other side
        at = tap_rows(row, tap, height, width, 1).to(tl.int64)
        if HEARD.meant:
            share = tl.load(weights + (8 - tap) * cells + at, mask=inside, other=0.0)
            after = tl.load(gradient + at * CHANNELS + channel, mask=there, other=0.0)
            total += share * after
        if HEARD.factor != 0:
            seen = tl.load(field + at * CHANNELS + channel, mask=there, other=0.0)
            both = tl.load(energies + (8 - tap) * cells + at, mask=inside, other=0.0)
            both += tl.load(energies + tap * cells + row, mask=inside, other=0.0)
            if HEARD.cosine:
                both *= _over_length(seen, HEARD.tiny)
            back += HEARD.factor * both * seen
    if HEARD.factor != 0:
        if HEARD.cosine:
            own = tl.load(field + row.to(tl.int64) * CHANNELS + channel, mask=there, other=0.0)
            over = _over_length(own, HEARD.tiny)
            own *= over
            back = over * (back - own * tl.sum(own * back, axis=1, keep_dims=True))
        total += back
    return total
