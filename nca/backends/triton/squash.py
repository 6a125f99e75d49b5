"""Levels as nets read them squashed: `bound * tanh(level / bound)`. See `nca.backends.triton`."""

import triton
import triton.language as tl

from nca.backends.triton.activations import tanh


@triton.jit
def squashed(numbers, bound):
    """Return squashed numbers, in their shape."""
    return bound * tanh(numbers / bound)


@triton.jit
def store_squashed(shown, at, numbers, there, PLAN: tl.constexpr, N: tl.constexpr):
    """Write what nets will read of a level that has just changed."""
    for k in tl.static_range(len(PLAN.shown)):
        if PLAN.shown[k].source == PLAN.levels[N].field:
            tl.store(shown[k] + at, squashed(numbers, PLAN.shown[k].bound), mask=there)


@triton.jit
def _squash(level, out, count, PLAN: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr):
    SHOWN: tl.constexpr = PLAN.shown[N]
    CHANNELS: tl.constexpr = SHOWN.channels
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside = at < count.to(tl.int64) * CHANNELS
    level = tl.load(level + at, mask=inside, other=0.0)
    tl.store(out + at, squashed(level, SHOWN.bound), mask=inside)


@triton.jit(do_not_specialize=["count"])
def squash_levels(levels, outs, count, PLAN: tl.constexpr, TILE: tl.constexpr):
    """Write each level that some net reads so, before the first step."""
    for n in tl.static_range(len(PLAN.shown)):
        if tl.program_id(1) == n:
            _squash(levels[n], outs[n], count, PLAN, n, TILE)
