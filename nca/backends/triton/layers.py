"""The layers of deep nets: their weights, and the plan of them.

A layer is a matrix `(inputs, outputs)`, whose next row is its bias; rows of zeros follow, to a
multiple of those of which a program computes the gradient. What units sum up lies in memory between
layers, so that registers need to hold one piece of one layer, and nets may have any number of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.triton.plan import SMALLEST, TALLEST, LayerPlan, power


@dataclass(frozen=True)
class LayerWeights:
    """A layer that all cells share: `weight activation(inputs) + bias`.

    Attributes:
        activation: What is done to its inputs; see `nca.backends.triton.activations`.
        weight: `(outputs, inputs)`.
        bias: `(outputs)`.
    """

    activation: str
    weight: Tensor
    bias: Tensor


def layer_plans(
    layers: Sequence[LayerWeights], given: tuple[int, int], block: int, widest: int, deepest: int
) -> tuple[LayerPlan, ...]:
    """Return the plans of layers that follow one another, which have no place yet.

    Args:
        layers: Their weights; the last returns the change.
        given: How many inputs the first has, filled up, and how many of them are held at once.
        block: Channels of the change, filled up to a power of two.
        widest: Outputs that a program may hold at once.
        deepest: Inputs that one product may take.
    """
    found = []
    inputs, held = given
    for number, layer in enumerate(layers, start=1):
        outputs = len(layer.weight)
        wide = block if number == len(layers) else min(power(outputs, SMALLEST), widest)
        outputs = -(-outputs // wide) * wide
        tall = min(power(inputs + 1, SMALLEST), TALLEST)
        found.append(
            LayerPlan(
                activation=layer.activation,
                inputs=inputs,
                outputs=outputs,
                held=held,
                wide=wide,
                deep=min(held, deepest),
                broad=min(wide, deepest),
                tall=tall,
                rows=-(-(inputs + 1) // tall) * tall,
                first=0,
                kept=0,
                before=0,
                after=0,
            )
        )
        inputs, held = outputs, wide
    return tuple(found)


def layer_matrix(layer: LayerWeights, plan: LayerPlan) -> Tensor:
    """Return a layer and its bias, `(rows, outputs)`."""
    outputs, inputs = layer.weight.shape
    right = plan.outputs - outputs
    matrix = F.pad(layer.weight.T, (0, right, 0, plan.inputs - inputs))
    laid = torch.cat([matrix, F.pad(layer.bias, (0, right)).unsqueeze(0)])
    return F.pad(laid, (0, 0, 0, plan.rows - len(laid)))
