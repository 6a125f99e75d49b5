"""Whether uncertainty predicts error: correlation, and the error among what is surest.

Legend: B sample, N prediction.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def error_correlation(uncertainty: Tensor, error: Tensor) -> Tensor:
    """Return Pearson's correlation of uncertainty and error, from -1 to 1.

    Args:
        uncertainty: `(B, N)`; the greater, the less sure.
        error: `(B, N)`.

    Returns:
        `(B,)`; NaN where either is the same everywhere.
    """
    first, second = (each.double() - each.double().mean(1, True) for each in (uncertainty, error))
    scale = (first.square().sum(dim=1) * second.square().sum(dim=1)).sqrt()
    both = (first * second).sum(dim=1)
    return torch.where(scale > 0, both / scale, torch.nan)


def risk_at(uncertainty: Tensor, error: Tensor, coverages: Sequence[float]) -> Tensor:
    """Return the mean error among the surest predictions, at each coverage.

    Among predictions that are equally sure, each counts alike: whatever their order, the risk is
    that of a random choice of them.

    Args:
        uncertainty: `(B, N)`.
        error: `(B, N)`.
        coverages: Which shares of the predictions are kept, each above 0 and at most 1.

    Returns:
        `(B, coverages)`.
    """
    summed = _summed(uncertainty, error)
    count = error.shape[1]
    kept = [max(1, round(coverage * count)) for coverage in coverages]
    return torch.stack([summed[:, number - 1] / number for number in kept], dim=1)


def area_under_risk(uncertainty: Tensor, error: Tensor) -> Tensor:
    """Return the mean of the risk over all coverages, `(B,)` (Geifman and El-Yaniv 2017).

    An uncertainty that says nothing has that of the mean error; see `risk_at`.
    """
    count = torch.arange(1, error.shape[1] + 1, device=error.device)
    return (_summed(uncertainty, error) / count).mean(dim=1)


def _summed(uncertainty: Tensor, error: Tensor) -> Tensor:
    """Return the summed error of the surest 1, 2, ..., N predictions, `(B, N)`."""
    order = uncertainty.argsort(dim=1)
    sure, wrong = uncertainty.gather(1, order), error.double().gather(1, order)
    return torch.stack([_even(*each).cumsum(0) for each in zip(sure, wrong, strict=True)])


def _even(sure: Tensor, wrong: Tensor) -> Tensor:
    """Return sorted errors `(N,)` with those of equal uncertainty replaced by their mean."""
    _, group, count = sure.unique_consecutive(return_inverse=True, return_counts=True)
    total = torch.zeros(len(count), dtype=wrong.dtype, device=wrong.device)
    return (total.index_add(0, group, wrong) / count)[group]
