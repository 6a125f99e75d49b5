"""What evaluation reports: shares that add up correctly over batches of any size.

Legend: B batch, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nca.engine.wide import on_host, wide


@dataclass(frozen=True)
class Share:
    """A part of a whole, for each sample; over a test set, parts and wholes are summed.

    Sums are taken on the host: whatever it is given, its tensors are float64 and lie there.

    Attributes:
        part: `(B,)`.
        whole: `(B,)`.
    """

    part: Tensor
    whole: Tensor

    def __post_init__(self) -> None:
        """Bring part and whole to the host."""
        object.__setattr__(self, "part", on_host(self.part))
        object.__setattr__(self, "whole", on_host(self.whole))

    @classmethod
    def of(cls, values: Tensor) -> "Share":
        """Return values of which each sample's counts alike."""
        return cls(values, torch.ones_like(values))


def vote(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the class that most cells choose, int64 `(B,)`.

    A tie goes to the class of the greater summed score.

    Args:
        scores: Class scores per cell, `(B, K, *space)`.
        mask: Which cells vote, `(B, *space)`; all if None. Without any voter, class 0 wins.
    """
    scores = wide(scores.flatten(2))  # (B, K, cells)
    ballots = torch.zeros_like(scores).scatter_(1, scores.argmax(dim=1, keepdim=True), 1.0)
    if mask is not None:
        voters = mask.flatten(1).unsqueeze(1)
        ballots, scores = ballots * voters, scores * voters
    counts = ballots.sum(dim=2)
    behind = counts < counts.amax(dim=1, keepdim=True)
    return scores.sum(dim=2).masked_fill(behind, -torch.inf).argmax(dim=1)


def vote_accuracy(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Share:
    """Return how many images the cells' vote gets right; see `vote`."""
    return Share.of(vote(scores, mask) == labels)


def cell_accuracy(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Share:
    """Return how many cells get the class of their image right, pooled over all samples.

    Args:
        scores: Class scores per cell, `(B, K, *space)`.
        labels: One class per sample, `(B,)`.
        mask: Which cells count, `(B, *space)`; all if None.
    """
    right = scores.flatten(2).argmax(dim=1) == labels[:, None]  # (B, cells)
    counted = torch.ones_like(right) if mask is None else mask.flatten(1)
    return Share((right & counted).sum(dim=1), counted.sum(dim=1))


def total_agreement(scores: Tensor, mask: Tensor | None = None) -> Share:
    """Return in how many images all cells choose the same class, right or wrong.

    Args:
        scores: Class scores per cell, `(B, K, *space)`.
        mask: Which cells count, `(B, *space)`; all if None.
    """
    chosen = scores.flatten(2).argmax(dim=1)  # (B, cells)
    counted = torch.ones_like(chosen, dtype=torch.bool) if mask is None else mask.flatten(1)
    least = chosen.masked_fill(~counted, scores.shape[1]).amin(dim=1)
    most = chosen.masked_fill(~counted, -1).amax(dim=1)
    return Share.of(least >= most)
