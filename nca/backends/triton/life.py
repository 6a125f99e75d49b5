"""The program that clears the dead, in Triton. See `nca.backends.triton`.

Legend: M rows of a tile, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.perceive import tile_rows
from nca.backends.triton.programs import highest_near


@triton.jit
def _keep(level, out, row, inside, lives, COUNT: tl.constexpr, BLOCK: tl.constexpr):
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < COUNT)
    at = row.to(tl.int64) * COUNT + channel
    tl.store(out + at, tl.load(level + at, mask=there, other=0.0) * lives, mask=there)


@triton.jit(do_not_specialize=["count", "height", "width"])
def clear_dead(
    life, levels, outs, alive_before, kept, above, count, height, width,
    COUNTS: tl.constexpr, BLOCKS: tl.constexpr, LIFE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Write levels with zeros where a cell does not live, or did not; and which cells do."""
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    highest = highest_near(life, row, inside, height, width, LIFE)
    lives = (highest > above) & (tl.load(alive_before + row, mask=inside, other=0) != 0)
    for n in tl.static_range(len(COUNTS)):
        if tl.program_id(1) == n:
            _keep(levels[n], outs[n], row, inside, lives.to(tl.float32), COUNTS[n], BLOCKS[n])
    if tl.program_id(1) == 0:
        tl.store(kept + row, lives.to(tl.uint8), mask=inside)
