"""The programs that tell which cells live, in Triton. See `nca.backends.triton`.

Legend: M rows of a tile, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.programs import tap_rows, tile_rows


@triton.jit
def _highest(
    level, row, inside, height, width,
    CHANNELS: tl.constexpr, CHANNEL: tl.constexpr, RADIUS: tl.constexpr,
):  # fmt: skip
    """Return the maximum of a channel in the neighbourhood on the torus, `(M, 1)`."""
    highest = tl.load(level + row.to(tl.int64) * CHANNELS + CHANNEL, mask=inside, other=0.0)
    if RADIUS == 1:  # unrolled, so that all loads are on their way at once
        for tap in tl.static_range(9):
            at = tap_rows(row, tap, height, width, 1).to(tl.int64)
            seen = tl.load(level + at * CHANNELS + CHANNEL, mask=inside, other=0.0)
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
            seen = tl.load(level + at * CHANNELS + CHANNEL, mask=inside, other=0.0)
            highest = tl.maximum(highest, seen, propagate_nan=tl.PropagateNan.ALL)
    return highest


@triton.jit(do_not_specialize=["count", "height", "width"])
def find_living(
    level, living, above, count, height, width,
    CHANNELS: tl.constexpr, CHANNEL: tl.constexpr, RADIUS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Write 1 where a cell lives and 0 elsewhere."""
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    highest = _highest(level, row, inside, height, width, CHANNELS, CHANNEL, RADIUS)
    tl.store(living + row, (highest > above).to(tl.uint8), mask=inside)


@triton.jit
def _keep(level, out, row, inside, lives, COUNT: tl.constexpr, BLOCK: tl.constexpr):
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < COUNT)
    at = row.to(tl.int64) * COUNT + channel
    tl.store(out + at, tl.load(level + at, mask=there, other=0.0) * lives, mask=there)


@triton.jit(do_not_specialize=["count", "height", "width"])
def bury_dead(
    life, levels, outs, alive_before, kept, above, count, height, width,
    COUNTS: tl.constexpr, BLOCKS: tl.constexpr,
    CHANNELS: tl.constexpr, CHANNEL: tl.constexpr, RADIUS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Write levels with zeros where a cell does not live, or did not; and which cells do."""
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    highest = _highest(life, row, inside, height, width, CHANNELS, CHANNEL, RADIUS)
    lives = (highest > above) & (tl.load(alive_before + row, mask=inside, other=0) != 0)
    for n in tl.static_range(len(COUNTS)):
        if tl.program_id(1) == n:
            _keep(levels[n], outs[n], row, inside, lives.to(tl.float32), COUNTS[n], BLOCKS[n])
    if tl.program_id(1) == 0:
        tl.store(kept + row, lives.to(tl.uint8), mask=inside)
