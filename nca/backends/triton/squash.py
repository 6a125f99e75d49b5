"""The program that squashes levels for the nets that read them so. See `nca.backends.triton`."""

import triton
import triton.language as tl

from nca.backends.triton.activations import tanh


@triton.jit
def _squash(level, out, count, PLAN: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr):
    SHOWN: tl.constexpr = PLAN.shown[N]
    CHANNELS: tl.constexpr = SHOWN.channels
    BOUND: tl.constexpr = SHOWN.bound
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside = at < count.to(tl.int64) * CHANNELS
    level = tl.load(level + at, mask=inside, other=0.0)
    tl.store(out + at, BOUND * tanh(level / BOUND), mask=inside)


@triton.jit(do_not_specialize=["count"])
def squash_levels(levels, outs, count, PLAN: tl.constexpr, TILE: tl.constexpr):
    """Write `bound * tanh(level / bound)` of each level that some net reads so."""
    for n in tl.static_range(len(PLAN.shown)):
        if tl.program_id(1) == n:
            _squash(levels[n], outs[n], count, PLAN, n, TILE)
