"""Stencils: fixed 3-wide kernels for one, two or three axes."""

from nca.engine.stencils import (
    gradient,
    gradients,
    identity,
    laplacian,
)

__all__ = [
    "gradient",
    "gradients",
    "identity",
    "laplacian",
]
