"""The random numbers of a step, in Triton: those of `nca.engine.rng`, bit by bit.

Legend: M rows of a tile, C channels.
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
def noise_of(draw, sample, cell, channel, KIND: tl.constexpr):
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
