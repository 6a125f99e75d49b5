"""Whether a number grows from level to level.

Legend: B batch, L level.
"""

import torch
from torch import Tensor


def spearman(values: Tensor) -> Tensor:
    """Return the rank correlation of a number with its level, from -1 to 1.

    Ties share the mean of their ranks; numbers that are all alike correlate with nothing: 0.

    Args:
        values: One number per level, bottom level first, `(B, L)`.

    Returns:
        `(B,)`; NaN for fewer than two levels.
    """
    count = values.shape[1]
    if count < 2:
        return torch.full_like(values[:, 0], torch.nan)
    below = (values[:, :, None] > values[:, None, :]).sum(dim=2)
    alike = (values[:, :, None] == values[:, None, :]).sum(dim=2)
    ranks = below + (alike + 1) / 2
    ranks = (ranks - ranks.mean(dim=1, keepdim=True)).double()
    place = torch.arange(count, device=values.device).double()
    place = place - place.mean()
    lengths = ranks.norm(dim=1) * place.norm()
    return torch.where(lengths > 0, ranks @ place / lengths.clamp(min=1e-12), 0.0)


def rising(values: Tensor) -> Tensor:
    """Return whether a number never falls from a level to the next, bool `(B,)`.

    Args:
        values: One number per level, bottom level first, `(B, L)`.
    """
    return (values[:, 1:] >= values[:, :-1]).all(dim=1)
