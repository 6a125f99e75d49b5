"""Ask what a level's cells know: a linear probe reads a category off each cell's embedding.

Legend: B batch, C channel, K categories, N cells.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 1e-3
"""Weight of the probe's own size, beside features of variance 1."""


def probe(features: Tensor, categories: Tensor) -> Tensor:
    """Return the share of cells whose category a linear probe finds, from 0 to 1.

    The probe is a ridge regression on one-hot categories, fitted in closed form to the cells of
    every other sample and tested on those of the rest, then the other way round: no sample is
    judged by a probe that has seen it. Alain and Bengio (2016) proposed such probes.

    Args:
        features: A level, `(B, C, *space)`; at least two samples.
        categories: int64 `(B, *space)`, the same thing in all samples; 0: the cell does not count.

    Returns:
        float64 `(B,)`; NaN for a sample without any cell that counts, or if no cell of the other
        samples does.
    """
    cells = features.detach().double().flatten(2).mT  # (B, N, C)
    marks = categories.flatten(1)
    right = torch.full((len(cells),), torch.nan, dtype=torch.float64, device=cells.device)
    half = torch.arange(len(cells), device=cells.device) % 2 == 0
    for fitted, tested in ((half, ~half), (~half, half)):
        predicted = _fit(cells[fitted], marks[fitted], cells[tested])
        if predicted is not None:
            right[tested] = _share(predicted == marks[tested], marks[tested] > 0)
    return right


def most_frequent(categories: Tensor) -> Tensor:
    """Return what a probe reaches that always names the most frequent category, `(B,)`."""
    marks = categories.flatten(1)
    counts = marks[marks > 0].bincount()
    best = int(counts.argmax()) if len(counts) else 0
    return _share(marks == best, marks > 0)


def _fit(cells: Tensor, marks: Tensor, asked: Tensor) -> Tensor | None:
    """Return the category `(B, N)` that a probe fitted to `cells` names for those `asked`."""
    known, named = cells[marks > 0], marks[marks > 0]
    if not len(known) or not known.isfinite().all():
        return None
    mean, deviation = known.mean(dim=0), known.std(dim=0, correction=0)
    scale = deviation.where(deviation > 0, 1.0)
    rows = F.pad((known - mean) / scale, (0, 1), value=1.0)  # a constant for the bias
    ridge = RIDGE * len(rows) * torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
    weights = torch.linalg.solve(rows.mT @ rows + ridge, rows.mT @ F.one_hot(named).double())
    return (F.pad((asked - mean) / scale, (0, 1), value=1.0) @ weights).argmax(dim=2)


def _share(right: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum(dim=1)
    return ((right & mask).sum(dim=1) / count).double().where(count > 0, torch.nan)
