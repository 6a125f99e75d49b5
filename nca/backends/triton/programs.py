"""The programs that run on the device, in Triton. See `nca.backends.triton` for what each is for.

A field is a tensor `(B, H, W, C)`; its cells, counted on from sample to sample, are rows. A program
holds a tile of rows. On the torus the neighbour of a row is another row, found by arithmetic.

Before Triton 3.8 a part of a plan is no constant for the program that it is handed to, nor inside
a shape: programs hand over a whole plan and a number, and name the part again where they need it.

Legend: M rows of a tile, K rows of a first layer, N hidden units, C channels.
"""

import triton
import triton.language as tl

_WEYL = tl.constexpr(-1640531527)  # 0x9E3779B9
_FIRST = tl.constexpr(0x7FEB352D)
_SECOND = tl.constexpr(-2073254261)  # 0x846CA68B
_UNIT = tl.constexpr(2.0**-24)
_NORMAL = tl.constexpr(65535**-0.5)


@triton.jit
def _absorb(key, number):
    """Fold a number into a key: `nca.engine.rng.absorb_tensor`, the same bits."""
    bits = (number ^ key) + _WEYL
    # `>>` copies the sign; the mask makes the shift a logical one
    bits = bits ^ (bits >> 16 & 0xFFFF)
    bits = bits * _FIRST
    bits = bits ^ (bits >> 15 & 0x1FFFF)
    bits = bits * _SECOND
    return bits ^ (bits >> 16 & 0xFFFF)


@triton.jit
def _key(draw, STREAM: tl.constexpr):
    """Return the key of a stream; `draw` holds the random seed in two halves, and the step."""
    return _absorb(_absorb(_absorb(_absorb(0, draw[0]), draw[1]), STREAM), draw[2])


@triton.jit
def _drawn(draw, sample, cell, channel, STREAM: tl.constexpr):
    return _absorb(_absorb(_absorb(_key(draw, STREAM), sample), channel), cell)


@triton.jit
def dot(a, b, total, PRODUCTS: tl.constexpr):
    """Add a matrix product, with float32 sums, to a total."""
    if PRODUCTS == "exact":
        total = tl.dot(a, b, total, input_precision="ieee")
    elif PRODUCTS == "rounded":  # what "reduced" computes, for an interpreter without bfloat16
        a = a.to(tl.bfloat16).to(tl.float32)
        b = b.to(tl.bfloat16).to(tl.float32)
        total = tl.dot(a, b, total, input_precision="ieee")
    else:
        total = tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), total)
    return total


@triton.jit
def tap_rows(row, tap, height, width, SIGN: tl.constexpr):
    """Return the row of a neighbour on the torus; from the other side with `SIGN` -1."""
    x = row % width
    y = row // width % height
    down = y + SIGN * (tap // 3 - 1)
    down = tl.where(down < 0, down + height, down)
    down = tl.where(down >= height, down - height, down)
    right = x + SIGN * (tap % 3 - 1)
    right = tl.where(right < 0, right + width, right)
    right = tl.where(right >= width, right - width, right)
    return row + (down - y) * width + (right - x)


@triton.jit
def seen_by(
    field, row, inside, start, height, width, NET: tl.constexpr, K: tl.constexpr, ONE: tl.constexpr
):
    """Return what rows `start` to `start + K` of a first layer are multiplied with, `(M, K)`."""
    k = start + tl.arange(0, K)[None, :]
    channel = k % NET.block
    # where one product is within one tap, neighbours are found once for a row
    tap = start // NET.block if NET.block >= K else k // NET.block
    there = inside & (channel < NET.channels) & (tap < 9)
    at = tap_rows(row, tap, height, width, 1).to(tl.int64)
    seen = tl.load(field + at * NET.channels + channel, mask=there, other=0.0)
    if ONE:  # the bias is multiplied with 1
        seen = tl.where((tap == 9) & (channel == 0), 1.0, seen)
    return seen


@triton.jit
def summed_by(
    field, weights, low, row, inside, start, height, width,
    NET: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what hidden units `start` to `start + wide` sum up, before relu, `(M, N)`."""
    WIDE: tl.constexpr = NET.wide
    unit = start + tl.arange(0, WIDE)[None, :]
    total = tl.zeros((TILE, WIDE), tl.float32)
    total += tl.load(weights + NET.first + 9 * NET.block * NET.hidden + unit)
    for k in range(0, 9 * NET.block, NET.deep):
        seen = seen_by(field, row, inside, k, height, width, NET, NET.deep, False)
        rows = k + tl.arange(0, NET.deep)[:, None]
        matrix = tl.load(low + NET.first + rows * NET.hidden + unit)
        total = dot(seen, matrix, total, PRODUCTS)
    return total


@triton.jit
def _net_change(
    field, weights, low, row, inside, total, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what one net says to a total, `(M, C)`."""
    NET: tl.constexpr = LEVEL.nets[N]
    BLOCK: tl.constexpr = LEVEL.block
    channel = tl.arange(0, BLOCK)[None, :]
    for start in range(0, NET.hidden, NET.wide):
        hidden = summed_by(
            field, weights, low, row, inside, start, height, width, NET, TILE, PRODUCTS
        )
        units = start + tl.arange(0, NET.wide)[:, None]
        matrix = tl.load(low + NET.last + units * BLOCK + channel)
        total = dot(tl.where(hidden < 0, 0.0, hidden), matrix, total, PRODUCTS)
    return total + tl.load(weights + NET.last + NET.hidden * BLOCK + channel)


@triton.jit
def _change(
    fields, weights, low, row, inside, height, width,
    LEVEL: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what all nets of a level say together, `(M, C)`."""
    BLOCK: tl.constexpr = LEVEL.block
    total = tl.zeros((TILE, BLOCK), tl.float32)
    for n in tl.static_range(len(LEVEL.nets)):
        field = fields[LEVEL.nets[n].field]
        total = _net_change(
            field, weights, low, row, inside, total, height, width,
            LEVEL, n, TILE, PRODUCTS,
        )  # fmt: skip
    return total


@triton.jit
def _noise(draw, sample, cell, channel, KIND: tl.constexpr):
    """Return the noise of a level, `(M, C)`: `nca.engine.rng.CellRNG`, the same bits."""
    if len(KIND) == 1:
        bits = _drawn(draw, sample, cell, channel, KIND[0])
        noise = (bits >> 8 & 0xFFFFFF).to(tl.float32) * _UNIT
    else:
        both = 0
        for third in tl.static_range(len(KIND)):
            bits = _drawn(draw, sample, cell, channel, KIND[third])
            both += (bits & 0x00FF00FF) + (bits >> 8 & 0x00FF00FF)
        summed = (both & 0xFFFF) + (both >> 16 & 0xFFFF)
        noise = (summed - 1530).to(tl.float32) * _NORMAL
    return noise


@triton.jit
def highest_near(field, row, inside, height, width, LIFE: tl.constexpr):
    """Return the maximum of the channel that tells life in the neighbourhood, `(M, 1)`."""
    CHANNELS: tl.constexpr = LIFE.channels
    CHANNEL: tl.constexpr = LIFE.channel
    RADIUS: tl.constexpr = LIFE.radius
    highest = tl.load(field + row.to(tl.int64) * CHANNELS + CHANNEL, mask=inside, other=0.0)
    if RADIUS == 1:  # unrolled, so that all loads are on their way at once
        for tap in tl.static_range(9):
            at = tap_rows(row, tap, height, width, 1).to(tl.int64)
            seen = tl.load(field + at * CHANNELS + CHANNEL, mask=inside, other=0.0)
            highest = tl.maximum(highest, seen, propagate_nan=tl.PropagateNan.ALL)
    else:
        x = row % width
        y = row // width % height
        side: tl.constexpr = 2 * RADIUS + 1
        for n in range(side * side):
            # the radius may exceed the side; the rest of a division has the sign of the dividend
            down = ((y + n // side - RADIUS) % height + height) % height
            right = ((x + n % side - RADIUS) % width + width) % width
            at = (row + (down - y) * width + (right - x)).to(tl.int64)
            seen = tl.load(field + at * CHANNELS + CHANNEL, mask=inside, other=0.0)
            highest = tl.maximum(highest, seen, propagate_nan=tl.PropagateNan.ALL)
    return highest


@triton.jit
def draw_of(clock, ahead):
    """Return what all draws of a step begin with: the random seed in two halves, and the step.

    They are read from the device, so that a captured launch serves any rollout; how far ahead of
    the first step of a rollout a launch is belongs to the launch.
    """
    return tl.load(clock), tl.load(clock + 1), tl.load(clock + 2) + ahead


@triton.jit
def fires(sample, inside, cell, draw, chance, STREAM: tl.constexpr, FIRE: tl.constexpr):
    """Return which cells of a tile fire in a step, `(M, 1)`."""
    fire = inside
    if FIRE:
        bits = _drawn(draw, sample, cell, 0, STREAM)
        fire = fire & ((bits >> 8 & 0xFFFFFF) < chance)
    return fire


@triton.jit
def tile_rows(tile, count, TILE: tl.constexpr):
    """Return the rows of a tile, and which of them are cells, `(M, 1)` each."""
    row = tile * TILE + tl.arange(0, TILE)[:, None]
    return row, row < count


@triton.jit
def _step_level(
    fields, out, weights, low, living, samples, draw, chance, size, scale, above,
    count, height, width,
    PLAN: tl.constexpr, N: tl.constexpr, LIFE: tl.constexpr, FIRE: tl.constexpr,
    FROZEN: tl.constexpr, CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    LEVEL: tl.constexpr = PLAN.levels[N]
    NOISE: tl.constexpr = LEVEL.noise
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    cells = height * width
    sample = tl.load(samples + row // cells, mask=inside, other=0).to(tl.int32)
    moves = fires(sample, inside, row % cells, draw, chance, LEVEL.fire, FIRE)
    if FROZEN or CLEARED:
        lives = highest_near(fields[LIFE.field], row, inside, height, width, LIFE) > above
        if N == 0:
            tl.store(living + row, lives.to(tl.uint8), mask=inside)
        if FROZEN:
            moves = moves & lives
    channel = tl.arange(0, LEVEL.block)[None, :]
    there = inside & (channel < LEVEL.channels)
    at = row.to(tl.int64) * LEVEL.channels + channel
    own = tl.load(fields[LEVEL.field] + at, mask=there, other=0.0)
    change = _change(fields, weights, low, row, inside, height, width, LEVEL, TILE, PRODUCTS)
    if LEVEL.share >= 0:
        change += tl.load(weights + LEVEL.share) * own
    change *= size
    if len(NOISE) > 0:
        change += scale * _noise(draw, sample, row % cells, channel, NOISE)
    tl.store(out + at, own + change * moves.to(tl.float32), mask=there)


@triton.jit(do_not_specialize=["ahead", "chance", "count", "height", "width"])
def step_levels(
    fields, outs, weights, low, living, samples, clock, ahead, chance, size, scale, above,
    count, height, width,
    PLAN: tl.constexpr, LIFE: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Let one step pass, a program for each tile of each level; write which cells live before."""
    draw = draw_of(clock, ahead)
    for n in tl.static_range(len(PLAN.levels)):
        if tl.program_id(1) == n:
            _step_level(
                fields, outs[n], weights, low, living, samples, draw, chance, size, scale, above,
                count, height, width, PLAN, n, LIFE, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
            )  # fmt: skip
