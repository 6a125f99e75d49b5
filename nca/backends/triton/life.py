"""The program that clears the dead, in Triton. See `nca.backends.triton`.

Legend: M rows of a tile, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.perceive import tile_rows
from nca.backends.triton.programs import highest_near
from nca.backends.triton.squash import store_squashed


@triton.jit
def _keep(level, out, shown, row, inside, lives, PLAN: tl.constexpr, N: tl.constexpr):
    COUNT: tl.constexpr = PLAN.levels[N].channels
    channel = tl.arange(0, PLAN.levels[N].block)[None, :]
    there = inside & (channel < COUNT)
    at = row.to(tl.int64) * COUNT + channel
    kept = tl.load(level + at, mask=there, other=0.0) * lives
    tl.store(out + at, kept, mask=there)
    store_squashed(shown, at, kept, there, PLAN, N)


@triton.jit(do_not_specialize=["count", "height", "width"])
def clear_dead(
    life, levels, outs, shown, alive_before, kept, above, count, height, width,
    PLAN: tl.constexpr, LIFE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Write levels with zeros where a cell does not live, or did not; and which cells do.

    And what nets will read squashed of them.
    """
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    highest = highest_near(life, row, inside, height, width, LIFE)
    lives = (highest > above) & (tl.load(alive_before + row, mask=inside, other=0) != 0)
    for n in tl.static_range(len(PLAN.levels)):
        if tl.program_id(1) == n:
            _keep(levels[n], outs[n], shown, row, inside, lives.to(tl.float32), PLAN, n)
    if tl.program_id(1) == 0:
        tl.store(kept + row, lives.to(tl.uint8), mask=inside)
