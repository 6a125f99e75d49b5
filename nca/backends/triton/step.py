"""What the programs of fused steps are given: weights, tensors as rows of cells, options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.backends.triton.level_weights import LevelWeights, most_channels
from nca.backends.triton.plan import ShownPlan, StepPlan, reads
from nca.backends.triton.sizes import EXACT, TF32
from nca.backends.triton.weights import lay_out

ALIGNED = 16
"""Bytes at whose multiples programs read fastest; for what begins elsewhere others are compiled."""


FLOAT32_PRODUCTS = {"none": "tf32x3", "ieee": EXACT, "tf32": "tf32"}
"""How products of float32 are taken, by `torch.backends.cuda.matmul.fp32_precision`.

Where it is not set, three products of TF32 stand for one, which tensor cores take, and which is
as exact as `nca.backends.device_check` states. `ieee` (or `torch.set_float32_matmul_precision` with
`highest`) demands products of float32 itself, `tf32` (`high` and `medium`) allows one of TF32.
"""

MOST_CHANNELS_OF_TF32 = 16
"""Channels up to which products of TF32 are taken: of more, it is not known whether registers hold
their parts, and they are exact."""


REGISTERS_OF_EXACT_DEEP = 255
"""Registers that a thread may take where deep nets have exact products: as many as it needs, for of
more than 128 no second program of eight warps fits beside the first. Left alone, the compiler takes
fewer, and puts a few numbers into memory."""


REGISTERS_OF_LATE_STEPS = 128
"""Registers that a thread may take where a step clears the dead as it reads them, all nets perceive
through up to three stencils, and products are those of bfloat16. Left alone, the compiler takes 159
for three stencils of 16 channels; with 128 nothing is put into memory either, and four programs run
side by side in place of three."""


@dataclass(frozen=True)
class Weights:
    """All weights of a rollout, laid out once.

    Attributes:
        plan: Which nets read what, and where their weights lie.
        packed: All weights in one row, float32; gradients flow to it.
        low: The same numbers as products take them.
        products: `reduced`, to bfloat16; `rounded`, the same under an interpreter; or one of
            `FLOAT32_PRODUCTS`.
    """

    plan: StepPlan
    packed: Tensor
    low: Tensor
    products: str

    @property
    def tile(self) -> int:
        """Rows that a program holds at once."""
        return tile_of(self.products)


def prepare(
    levels: Sequence[LevelWeights], shown: Sequence[ShownPlan], *, reduced: bool
) -> Weights:
    """Lay out the weights of a rollout.

    Args:
        levels: What is summed for each level; there is at least one.
        shown: What is computed of the levels for nets to read.
        reduced: Whether products take bfloat16.
    """
    rounded = "rounded" if interpreted() else "reduced"
    products = rounded if reduced else float32_products(most_channels(levels))
    plan, packed = lay_out(levels, shown, products)
    packed = packed.float()
    low = packed.detach()
    return Weights(plan, packed, low.bfloat16() if products == "reduced" else low, products)


def float32_products(channels: int) -> str:
    """Return how products of float32 are taken, by torch's own switch; see `FLOAT32_PRODUCTS`.

    Args:
        channels: The most that a net reads or writes.
    """
    if channels > MOST_CHANNELS_OF_TF32:
        return EXACT
    switch = torch.backends.cuda.matmul.fp32_precision  # pyright: ignore[reportAttributeAccessIssue]
    return FLOAT32_PRODUCTS[str(switch)]


def tile_of(products: str) -> int:
    """Return how many rows a program holds at once; operands of exact products are in registers."""
    return 32 if products == EXACT else 64


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
    """Return what all programs of nets are compiled with.

    Of a tile of 64 rows four warps multiply 16 each on tensor cores; where one product feeds
    another, more warps would multiply the same rows again. Exact products take no tensor core.
    """
    return {"num_warps": 8 if weights.products == EXACT or weights.plan.many else 4}


def step_options(weights: Weights, *, late: bool) -> dict[str, Any]:
    """Return what the program of a step is compiled with.

    Args:
        weights: All weights.
        late: Whether the step clears the dead of the one before as it reads them.
    """
    options = {**program_options(weights), **_exact_deep(weights, weights.products)}
    few = all(0 < n.stencils <= 3 for level in weights.plan.levels for n in reads(level))
    if late and few and weights.products == "reduced":
        options["maxnreg"] = REGISTERS_OF_LATE_STEPS
    return options


def hidden_products(weights: Weights) -> str:
    """Return how the program multiplies that sums up the gradients of last layers.

    Beside those of first layers registers do not hold what three products of TF32 take.
    """
    return EXACT if weights.plan.perceives and weights.products in TF32 else weights.products


def hidden_options(weights: Weights) -> dict[str, Any]:
    """Return what the same program is compiled with: more loads ahead take more registers."""
    exact = hidden_products(weights) == EXACT
    stages = 1 if weights.plan.perceives else 2 if exact else 3
    options = {"num_warps": 8 if exact or weights.plan.many else 4, "num_stages": stages}
    return options | _exact_deep(weights, hidden_products(weights))


def first_options(weights: Weights) -> dict[str, Any]:
    """Return with what is compiled that sums up first layers: parts in TF32 take more of a chip."""
    stages = 2 if weights.products in TF32 else 3
    return {**program_options(weights), "num_stages": stages}


def _exact_deep(weights: Weights, products: str) -> dict[str, Any]:
    """Return what is different where deep nets have exact products: no loads ahead, more registers.

    Args:
        weights: All weights.
        products: How the program multiplies.
    """
    if products != EXACT or not weights.plan.deep:
        return {}
    return {"num_stages": 1, "maxnreg": REGISTERS_OF_EXACT_DEEP}
