"""What the cells of a tile perceive, and what hidden units sum up of it, in Triton.

A field is a tensor `(B, H, W, C)`; its cells, counted on from sample to sample, are rows. A program
holds a tile of rows. On the torus the neighbour of a row is another row, found by arithmetic.

Where the dead of the step before are still in a field (`LATE`), they count as zeros: `lives` has a
bit for each tap of a row, `(M, 1)`; elsewhere it says nothing.

A net reads its neighbourhood tap by tap, so that its hidden units sum up 9 numbers of each channel;
or through stencils, up to four, so that they sum up one number of each channel and stencil.

Legend: M rows of a tile, K rows of a first layer, N hidden units, C channels, S stencils.
"""

import triton
import triton.language as tl


@triton.jit
def dot(a, b, total, PRODUCTS: tl.constexpr):
    """Add a matrix product, with float32 sums, to a total."""
    if PRODUCTS == "exact":
        total = tl.dot(a, b, total, input_precision="ieee")
    elif PRODUCTS == "tf32x3":
        total = tl.dot(a, b, total, input_precision="tf32x3")
    elif PRODUCTS == "tf32":
        total = tl.dot(a, b, total, input_precision="tf32")
    elif PRODUCTS == "rounded":  # what "reduced" computes, for an interpreter without bfloat16
        a = a.to(tl.bfloat16).to(tl.float32)
        b = b.to(tl.bfloat16).to(tl.float32)
        total = tl.dot(a, b, total, input_precision="ieee")
    else:
        total = tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), total)
    return total


@triton.jit
def tile_rows(tile, count, TILE: tl.constexpr):
    """Return the rows of a tile, and which of them are cells, `(M, 1)` each."""
    row = tile * TILE + tl.arange(0, TILE)[:, None]
    return row, row < count


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
def alive_at(lives, tap):
    """Return 1.0 where a neighbour lives, by the bit of its tap in `lives`, else 0.0."""
    return ((lives >> tap) & 1).to(tl.float32)


@triton.jit
def seen_by(
    field, lives, row, inside, start, height, width,
    NET: tl.constexpr, K: tl.constexpr, ONE: tl.constexpr, LATE: tl.constexpr,
):  # fmt: skip
    """Return what rows `start` to `start + K` of a first layer are multiplied with, `(M, K)`."""
    k = start + tl.arange(0, K)[None, :]
    channel = k % NET.block
    # where one product is within one tap, neighbours are found once for a row
    tap = start // NET.block if NET.block >= K else k // NET.block
    there = inside & (channel < NET.channels) & (tap < 9)
    at = tap_rows(row, tap, height, width, 1).to(tl.int64)
    seen = tl.load(field + at * NET.channels + channel, mask=there, other=0.0)
    if LATE:
        seen *= alive_at(lives, tap)
    if ONE:  # the bias is multiplied with 1
        seen = tl.where((tap == 9) & (channel == 0), 1.0, seen)
    return seen


@triton.jit
def summed_by(
    field, lives, weights, low, row, inside, start, height, width,
    NET: tl.constexpr, LATE: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what hidden units `start` to `start + wide` sum up, `(M, N)`."""
    WIDE: tl.constexpr = NET.wide
    unit = start + tl.arange(0, WIDE)[None, :]
    total = tl.zeros((TILE, WIDE), tl.float32)
    total += tl.load(weights + NET.first + 9 * NET.block * NET.hidden + unit)
    return add_summed(
        total, field, lives, low, row, inside, start, height, width, NET, LATE, PRODUCTS
    )


@triton.jit
def add_summed(
    total, field, lives, low, row, inside, start, height, width,
    NET: tl.constexpr, LATE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what hidden units `start` to `start + wide` sum up, without their bias, `(M, N)`."""
    unit = start + tl.arange(0, NET.wide)[None, :]
    for k in range(0, 9 * NET.block, NET.deep):
        seen = seen_by(field, lives, row, inside, k, height, width, NET, NET.deep, False, LATE)
        rows = k + tl.arange(0, NET.deep)[:, None]
        matrix = tl.load(low + NET.first + rows * NET.hidden + unit)
        total = dot(seen, matrix, total, PRODUCTS)
    return total


@triton.jit
def perceived_by(
    field, lives, weights, row, inside, height, width,
    NET: tl.constexpr, LATE: tl.constexpr, TILE: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """Return what cells perceive through each of four stencils, `(M, C)`; 0 where there are fewer.

    Each neighbour is read once, and counts for all stencils; `AHEAD` of them, 3 or 9, are on their
    way at once.
    """
    BLOCK: tl.constexpr = NET.block
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < NET.channels)
    first = tl.zeros((TILE, BLOCK), tl.float32)
    second, third, fourth = first, first, first
    for part in range(9 // AHEAD):
        for n in tl.static_range(AHEAD):
            tap = AHEAD * part + n
            at = tap_rows(row, tap, height, width, 1).to(tl.int64)
            seen = tl.load(field + at * NET.channels + channel, mask=there, other=0.0)
            if LATE:
                seen *= alive_at(lives, tap)
            kernel = weights + NET.kernels + tap
            first += tl.load(kernel) * seen
            if NET.stencils > 1:
                second += tl.load(kernel + 9) * seen
            if NET.stencils > 2:
                third += tl.load(kernel + 18) * seen
            if NET.stencils > 3:
                fourth += tl.load(kernel + 27) * seen
    return first, second, third, fourth


@triton.jit
def summed_of(
    seen, weights, low, start,
    NET: tl.constexpr, WIDE: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what `WIDE` units sum up of what cells have perceived through stencils, `(M, N)`."""
    BLOCK: tl.constexpr = NET.block
    STENCILS: tl.constexpr = NET.stencils  # Triton 3.5 takes no attribute for a static range
    unit = start + tl.arange(0, WIDE)[None, :]
    total = tl.zeros((TILE, WIDE), tl.float32)
    total += tl.load(weights + NET.first + STENCILS * BLOCK * NET.hidden + unit)
    for s in tl.static_range(STENCILS):
        rows = s * BLOCK + tl.arange(0, BLOCK)[:, None]
        matrix = tl.load(low + NET.first + rows * NET.hidden + unit)
        total = dot(seen[s], matrix, total, PRODUCTS)
    return total
