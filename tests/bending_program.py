"""A program of Triton that computes an activation and its derivative, for tests of both."""

import triton
import triton.language as tl

from nca.backends.triton.activations import derivative, value


@triton.jit
def bend(given, values, slopes, count, ACTIVATION: tl.constexpr, TILE: tl.constexpr):  # noqa: N803
    """Write the activation of each number, and its derivative there."""
    at = tl.program_id(0) * TILE + tl.arange(0, TILE)
    x = tl.load(given + at, mask=at < count, other=0.0)
    tl.store(values + at, value(x, ACTIVATION), mask=at < count)
    tl.store(slopes + at, derivative(x, ACTIVATION), mask=at < count)
