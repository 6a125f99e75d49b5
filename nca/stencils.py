"""Stencils: fixed 3-wide kernels for one, two or three axes."""

from nca.engine.stencils import (
    fold_stencils,
    gradient,
    gradients,
    identity,
    laplacian,
)

__all__ = [
    "fold_stencils",
    "gradient",
    "gradients",
    "identity",
    "laplacian",
]
