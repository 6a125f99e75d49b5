"""Metrics of tasks: shares that add up over batches of any size, and the numbers to sum in."""

from nca.engine.wide import on_host, wide, widest
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
    "on_host",
    "total_agreement",
    "vote",
    "vote_accuracy",
    "wide",
    "widest",
]
