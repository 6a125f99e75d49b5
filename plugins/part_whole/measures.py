"""How many wholes, and how many cells, are right about their class.

Legend: B batch, K class, H height, W width.
"""

import torch
from torch import Tensor

from nca import Share, metrics
from nca.metrics import widest


def rightness(scores: Tensor, labels: Tensor, whole: Tensor) -> dict[str, Share]:
    """Return shares of wholes, of cells with ink and of cells of the background that are right.

    A whole is right if most of its cells say its class; they may also say background.

    Args:
        scores: `(B, K, H, W)`, background first.
        labels: The class of each cell's whole, int64 `(B, H, W)`; 0 for background.
        whole: Which whole each cell belongs to, int64 `(B, H, W)`; 0 for background.
    """
    right = scores.argmax(dim=1) == labels
    ink = labels > 0
    won, there = torch.zeros(2, len(labels), dtype=widest(labels.device), device=labels.device)
    for number in range(1, int(whole.max()) + 1):
        mask = whole == number
        truth = (labels * mask).flatten(1).amax(dim=1)
        seen = mask.flatten(1).any(dim=1)
        won += (metrics.vote(scores, mask) == truth) & seen
        there += seen
    return {
        "wholes right": Share(won, there),
        "cells right": _pooled(right, ink),
        "background right": _pooled(right, ~ink),
    }


def _pooled(right: Tensor, mask: Tensor) -> Share:
    return Share((right & mask).flatten(1).sum(dim=1), mask.flatten(1).sum(dim=1))
