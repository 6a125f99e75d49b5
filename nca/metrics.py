"""Metrics of tasks: shares that add up over batches of any size."""

from nca.tasks.metrics import (
    Share,
    cell_accuracy,
    total_agreement,
    vote,
    vote_accuracy,
)

__all__ = [
    "Share",
    "cell_accuracy",
    "total_agreement",
    "vote",
    "vote_accuracy",
]
