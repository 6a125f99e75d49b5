"""What training makes small: losses, one number for each sample of a batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.state import State


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of `(B, *space)` over the cells of each sample where `mask` is true.

    Args:
        values: One number per cell, `(B, *space)`.
        mask: Which cells count, `(B, *space)`, or None: all do. A sample without any counts 0.
    """
    if mask is None:
        return values.flatten(1).mean(dim=1)
    weight = mask.to(values.dtype).flatten(1)
    return (values.flatten(1) * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def at_least_float32(values: Tensor) -> Tensor:
    """Return numbers of lower precision as float32, and others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def cross_entropy(
    scores: Tensor, labels: Tensor, mask: Tensor | None = None, *, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross-entropy of each sample's cells, `(B,)`.

    Args:
        scores: Class scores per cell, `(B, classes, *space)`.
        labels: One class per sample, `(B,)`.
        mask: Which cells count, `(B, *space)`; all if None.
        label_smoothing: The share of a target that all classes get alike, from 0 to 1.
    """
    wanted = labels.view(-1, *(1,) * (scores.ndim - 2)).expand(-1, *scores.shape[2:])
    cells = F.cross_entropy(
        at_least_float32(scores), wanted, reduction="none", label_smoothing=label_smoothing
    )
    return masked_mean(cells, mask)


def one_hot_error(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the squared distance of the cells' scores to the one-hot class, `(B, *space)`.

    Args:
        scores: Class scores per cell, `(B, classes, *space)`.
        labels: One class per sample, `(B,)`.
        mask: Which cells count, `(B, *space)`; the others are 0.
    """
    wanted = F.one_hot(labels, scores.shape[1]).to(scores.dtype)
    wanted = wanted.view(*wanted.shape, *(1,) * (scores.ndim - 2))
    error = (scores - wanted).square().sum(dim=1)
    return error if mask is None else error * mask


def squared_error(state: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of each sample from the target, `(B,)`."""
    return (state - target).square().flatten(1).mean(dim=1)


def overflow(state: State, levels: list[str], bound: float) -> Tensor:
    """Return how far the cells leave `-bound` to `bound`, summed over each sample, `(B,)`."""
    beyond = [(state[name] - state[name].clamp(-bound, bound)).abs() for name in levels]
    return sum((tensor.flatten(1).sum(dim=1) for tensor in beyond), start=beyond[0].new_zeros(()))
