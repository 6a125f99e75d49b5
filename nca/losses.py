"""Losses of tasks: one number for each sample of a batch."""

from nca.tasks.losses import (
    at_least_float32,
    cross_entropy,
    masked_mean,
    one_hot_error,
    overflow,
    squared_error,
)

__all__ = [
    "at_least_float32",
    "cross_entropy",
    "masked_mean",
    "one_hot_error",
    "overflow",
    "squared_error",
]
