"""What hidden units do with their sum, in Triton: `value`, and its `derivative` at the sum.

An activation is a line in each; their names are those of `nca.engine.program.Activation`. All are
computed from float32, within a few parts in 1e7 of what they should be; `sine` for sums up to
10,000, beyond which float32 itself hardly tells one turn from the next.
"""

import triton
import triton.language as tl

_HALF_ROOT = tl.constexpr(0.7071067811865476)  # 1 / sqrt(2)
_DENSITY = tl.constexpr(0.3989422804014327)  # 1 / sqrt(2 pi)
_PER_PI = tl.constexpr(0.3183098861837907)
# pi in parts, whose products with small whole numbers are exact
_PI_1 = tl.constexpr(3.140625)
_PI_2 = tl.constexpr(0.000967502593994140625)
_PI_3 = tl.constexpr(1.5099579909783764e-07)


@triton.jit
def value(x, ACTIVATION: tl.constexpr):
    """Return the activation of sums, in their shape."""
    if ACTIVATION == "relu":
        y = tl.where(x < 0, 0.0, x)
    elif ACTIVATION == "gelu":
        y = x * _normal(x)
    elif ACTIVATION == "silu":
        y = x * _logistic(x)
    elif ACTIVATION == "tanh":
        y = tanh(x)
    elif ACTIVATION == "sine":
        y = _sine(x, tl.floor(x * _PER_PI + 0.5))
    else:
        tl.static_assert(ACTIVATION == "none")
        y = x
    return y


@triton.jit
def derivative(x, ACTIVATION: tl.constexpr):
    """Return the derivative of the activation at sums, in their shape; that of relu at 0 is 0."""
    if ACTIVATION == "relu":
        y = tl.where(x <= 0, 0.0, 1.0)
    elif ACTIVATION == "gelu":
        y = _normal(x) + x * _DENSITY * tl.exp(-0.5 * x * x)
    elif ACTIVATION == "silu":
        y = _logistic(x) * (1 + x * (1 - _logistic(x)))
    elif ACTIVATION == "tanh":
        y = 1 - tanh(x) * tanh(x)
    elif ACTIVATION == "sine":
        y = -_sine(x, tl.floor(x * _PER_PI) + 0.5)
    else:
        tl.static_assert(ACTIVATION == "none")
        y = tl.full(x.shape, 1.0, tl.float32)
    return y


@triton.jit
def tanh(x):
    """Return the hyperbolic tangent of float32; near 0 by its series, where 1 - 1 cancels."""
    square = x * x
    near = x * (1 + square * (-1 / 3 + square * (2 / 15 + square * (-17 / 315))))
    size = tl.abs(x)
    far = 1 - 2 / (tl.exp(2 * tl.where(size > 15, 15.0, size)) + 1)  # beyond 15 it is 1
    far = tl.where(x < 0, -far, far)
    return tl.where(square < 0.04, near, far)


@triton.jit
def _normal(x):
    """Return the share of a normal distribution below x."""
    return 0.5 * (1 + tl.erf(x * _HALF_ROOT))


@triton.jit
def _logistic(x):
    small = tl.exp(-tl.abs(x))
    return tl.where(x < 0, small, 1.0) / (1 + small)


@triton.jit
def _sine(x, turns):
    """Return the sine of x, given how many times pi lies next below or above it.

    Of a whole number n of times pi it is that of the rest, but for the sign of (-1)^n; half of one
    more gives the cosine in place of the sine, as (-1)^(n + 1). The compiler's own sine keeps an
    array in memory.
    """
    rest = ((x - turns * _PI_1) - turns * _PI_2) - turns * _PI_3
    square = rest * rest
    series = 1 / 362880 + square * (-1 / 39916800)
    series = -1 / 5040 + square * series
    series = 1 / 120 + square * series
    series = -1 / 6 + square * series
    odd = tl.floor(turns) - 2 * tl.floor(0.5 * tl.floor(turns))
    return (rest + rest * square * series) * (1 - 2 * odd)
