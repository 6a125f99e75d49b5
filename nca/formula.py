"""What a rule may say of itself, so that a fast path can do its work in another way."""

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from nca.scene import Kernel


@dataclass(frozen=True)
class OneHidden:
    """A correlation, one hidden layer with relu, and a change for every channel of each cell.

    The change is `weight relu(kernel * level + kernel.bias) + bias`.

    Attributes:
        kernel: The correlation that the hidden units sum up.
        weight: `(C own, hidden)`.
        bias: `(C own)`.
    """

    kernel: Kernel
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Proportional:
    """A share of the rule's own level.

    Attributes:
        factor: What each number of the level is multiplied with, a number or `()`.
    """

    factor: Tensor | float


Formula: TypeAlias = OneHidden | Proportional
"""All that `forward` computes."""
