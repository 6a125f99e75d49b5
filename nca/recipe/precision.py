"""Precision of matrix products: bfloat16 where the clock says that it is faster here, or float32.

`[train] precision = "auto"` decides by the products of the automaton's own weights, on the device
at hand. A run keeps to what it began with, also when it is resumed elsewhere. A checkpoint that
was trained in float32 is evaluated, drawn and played in float32; one trained in bfloat16 in
whichever is faster. States and weights are float32 in any case.
"""

import functools
import math
import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from nca.device import seconds
from nca.errors import NCAWarning

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

GAIN = 1.2
"""How many times as fast products in bfloat16 must be at least: states are rounded beside them."""

SLOW = 0.8
"""A recipe that asks for bfloat16 is warned where it is less than so many times as fast."""

MOST_CELLS = 4096
"""Cells whose products are timed, at most."""

LEAST_WORK = 4e6
"""Floating-point operations of a step below which neither is worth a trial: float32 is taken."""

ROUNDS = 5
"""How often products are timed; the fastest round counts."""


@dataclass(frozen=True)
class PrecisionChoice:
    """In which precision products are computed, and why.

    Attributes:
        name: The precision.
        why: The reason, in words.
        gain: How many times as fast bfloat16 is here; None where that was not measured.
    """

    name: Precision
    why: str
    gain: float | None = None

    def sentence(self) -> str:
        """Return the choice as a sentence."""
        return f"precision: {self.name}, {self.why}"


def decide_precision(
    asked: str, module: nn.Module, cells: int, device: torch.device, known: Precision | None = None
) -> PrecisionChoice:
    """Return in which precision the products of a module are computed.

    Args:
        asked: What the recipe says: `auto`, `float32` or `bfloat16`.
        module: The automaton.
        cells: How many cells a step has: those of the grid, times the batch.
        device: Where it runs.
        known: What was decided when a run began; None: nothing was.

    Warns:
        NCAWarning: The recipe asks for what is slow here.
    """
    if asked == "auto" and known:
        return PrecisionChoice(known, "as it was trained")
    if asked == "float32":
        return PrecisionChoice("float32", "as the recipe asks")
    if asked == "auto" and device.type not in ("cpu", "cuda"):
        return PrecisionChoice("float32", f"for bfloat16 was never tried on {device.type}")
    shapes = product_shapes(module)
    rows = min(cells, MOST_CELLS)
    work = 2 * rows * sum(math.prod(shape) for shape in shapes)
    gain = measured_gain(shapes, rows, device) if work >= LEAST_WORK else None
    if asked == "bfloat16":
        if gain is not None and gain < SLOW:
            warnings.warn(
                f"products in bfloat16 take {1 / gain:.1f} times as long as in float32 on this "
                'processor; [train] precision = "auto" takes the faster',
                NCAWarning,
                stacklevel=2,
            )
        return PrecisionChoice("bfloat16", "as the recipe asks", gain)
    if gain is None:
        return PrecisionChoice("float32", "for there is little to multiply")
    words = f"products in bfloat16 are {gain:.2g} times as fast here"
    return PrecisionChoice("bfloat16" if gain >= GAIN else "float32", words, gain)


def product_shapes(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """Return the shape of each matrix that cells are multiplied with: outputs, inputs."""
    matrices = (weight.flatten(1) for weight in module.parameters() if weight.ndim > 1)
    return tuple((rows, columns) for rows, columns in (matrix.shape for matrix in matrices))


@functools.cache
def measured_gain(shapes: tuple[tuple[int, int], ...], rows: int, device: torch.device) -> float:
    """Return how many times as fast products in bfloat16 are as those in float32, by the clock.

    Args:
        shapes: Of the matrices.
        rows: How many cells are multiplied with each.
        device: Where.
    """
    pairs = [
        (torch.ones(rows, inputs, device=device), torch.ones(inputs, outputs, device=device))
        for outputs, inputs in shapes
    ]
    kinds = {torch.float32: pairs, torch.bfloat16: [(a.bfloat16(), b.bfloat16()) for a, b in pairs]}
    best = dict.fromkeys(kinds, math.inf)
    for _ in range(ROUNDS + 1):  # the first warms up, and never is the fastest
        for kind, given in kinds.items():
            best[kind] = min(best[kind], seconds(lambda given=given: _multiply(given), device))
    return best[torch.float32] / best[torch.bfloat16]


def _multiply(pairs: list[tuple[Tensor, Tensor]]) -> None:
    for a, b in pairs:
        torch.mm(a, b)
