"""How a level comes to rest.

Legend: B batch, T steps.
"""

import torch
from torch import Tensor

SETTLED = 1e-3


def relative_change(before: Tensor, after: Tensor) -> Tensor:
    """Return how far cells have moved in one step, measured by how long their vectors are.

    The mean length of the change over the mean length of the vectors after it: cells that are
    empty, as those outside a living body, would make the mean of quotients infinite.

    Args:
        before: A level, `(B, C, *space)`.
        after: The same level one step later.

    Returns:
        `(B,)`, from 0; NaN where the level is still empty, and so has not begun.
    """
    before, after = before.detach(), after.detach()
    change = (after - before).norm(dim=1).flatten(1).double().mean(dim=1)
    length = after.norm(dim=1).flatten(1).double().mean(dim=1)
    return change / length.where(length > 0, torch.nan)


def settling_time(changes: Tensor, below: float = SETTLED) -> Tensor:
    """Return the first step, counted from 1, whose relative change is below a bound.

    Args:
        changes: Relative change of each step, `(B, T)`.
        below: The bound.

    Returns:
        float64 `(B,)`; NaN for a sample that never comes to rest.
    """
    resting = changes < below
    first = resting.int().argmax(dim=1).double() + 1
    return first.where(resting.any(dim=1), torch.nan)
