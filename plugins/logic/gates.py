"""The sixteen logic gates of two inputs, as factors and as weights that mix them.

Gate number k has the outcomes 8, 4, 2 and 1 of k for the inputs (0, 0), (0, 1), (1, 0) and (1, 1):
1 is `a and b`, 3 is `a`, 5 is `b`, 6 is `a xor b`, 7 is `a or b`, 15 is always 1.

Legend: G gate.
"""

import torch
from torch import Tensor

KINDS = 16
"""How many gates of two inputs there are."""
PASS = 3
"""The gate that hands on its first input."""


def gate_factors() -> Tensor:
    """Return `f0` to `f3` of each gate, `f0 + f1 a + f2 b + f3 a b`: float32 `(16, 4)`."""
    rows = []
    for kind in range(KINDS):
        neither, second, first, both = (kind >> bit & 1 for bit in (3, 2, 1, 0))
        rows.append([neither, first - neither, second - neither, both - first - second + neither])
    return torch.tensor(rows, dtype=torch.float32)


def passing_weights(gates: int, strength: float) -> Tensor:
    """Return weights of gates that hand on their first input, `(G, 16)`.

    Args:
        gates: How many.
        strength: The weight of this gate beside the fifteen others, whose weights are 0.
    """
    weights = torch.zeros(gates, KINDS)
    weights[:, PASS] = strength
    return weights


def soft_factors(weights: Tensor, factors: Tensor) -> Tensor:
    """Return the factors of mixed gates, `(G, 4)`.

    Args:
        weights: `(G, 16)`; their softmax says how much each gate counts.
        factors: Of the sixteen gates, `(16, 4)`.
    """
    return torch.softmax(weights, dim=1) @ factors.to(weights.dtype)


def hard_factors(weights: Tensor, factors: Tensor) -> Tensor:
    """Return the factors of the gates of the greatest weight, `(G, 4)`; the first of equals."""
    greatest = weights == weights.amax(dim=1, keepdim=True)
    first = greatest.to(torch.uint8).argmax(dim=1)
    return factors.to(weights.dtype)[first]
