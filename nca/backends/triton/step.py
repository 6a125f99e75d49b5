"""What the programs of fused steps are given: weights, tensors as rows of cells, options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nca.backends.triton.plan import ShownPlan, StepPlan
from nca.backends.triton.weights import LevelWeights, lay_out

ALIGNED = 16
"""Bytes at whose multiples programs read fastest; for what begins elsewhere others are compiled."""


@dataclass(frozen=True)
class Weights:
    """All weights of a rollout, laid out once.

    Attributes:
        plan: Which nets read what, and where their weights lie.
        packed: All weights in one row, float32; gradients flow to it.
        low: The same numbers as products take them.
        products: `exact`, `reduced`, or `rounded`, which is `reduced` under an interpreter.
    """

    plan: StepPlan
    packed: Tensor
    low: Tensor
    products: str

    @property
    def tile(self) -> int:
        """Rows that a program holds at once."""
        return 32 if self.products == "exact" else 64


def prepare(
    levels: Sequence[LevelWeights], shown: Sequence[ShownPlan], *, reduced: bool
) -> Weights:
    """Lay out the weights of a rollout.

    Args:
        levels: What is summed for each level; there is at least one.
        shown: What is computed of the levels before each step.
        reduced: Whether products take bfloat16.
    """
    plan, packed = lay_out(levels, shown, exact=not reduced)
    packed = packed.float()
    low = packed.detach()
    if not reduced:
        return Weights(plan, packed, low, "exact")
    if interpreted():
        return Weights(plan, packed, low, "rounded")
    return Weights(plan, packed, low.bfloat16(), "reduced")


def interpreted() -> bool:
    """Tell whether Triton runs programs on the host, without compiling them."""
    from triton import knobs

    return bool(knobs.runtime.interpret)


def field_rows(field: Tensor) -> Tensor:
    """Return `(B, C, H, W)` as `(B, H, W, C)`, without a copy if channels lie side by side."""
    return aligned(field.movedim(1, -1).contiguous())


def aligned(tensor: Tensor) -> Tensor:
    """Return a tensor that begins where programs read fastest: a copy, if it does not."""
    return tensor if tensor.data_ptr() % ALIGNED == 0 else tensor.clone()


def cells_of(rows: Tensor) -> tuple[int, tuple[int, int]]:
    """Return the cells of all samples, and height and width of the grid."""
    batch, height, width, _ = rows.shape
    return batch * height * width, (height, width)


def program_options(weights: Weights) -> dict[str, Any]:
    """Return what all programs of nets are compiled with."""
    return {"num_warps": 8 if weights.products == "exact" or weights.plan.many else 4}
