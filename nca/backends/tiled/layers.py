"""Layers over rows of cells, and their gradients by hand.

A row is a cell. Nothing is kept between the forward pass and the backward pass but what the caller
hands back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.engine.program import ACTIVATIONS, Activation, Layer

_aten = torch.ops.aten

ROWS = 64
"""Reduced products have a multiple of so many rows. A CPU builds a kernel for each number of rows,
which takes about a millisecond, and keeps the last thousand: lists of cells differ from step to
step."""


def _gradient_of_sine(gradient: Tensor, before: Tensor) -> Tensor:
    return gradient * before.cos()


def _gradient_of_tanh(gradient: Tensor, before: Tensor) -> Tensor:
    return _aten.tanh_backward(gradient, before.tanh())


GRADIENTS: dict[Activation, Callable[[Tensor, Tensor], Tensor]] = {
    "gelu": _aten.gelu_backward,
    "silu": _aten.silu_backward,
    "tanh": _gradient_of_tanh,
    "sine": _gradient_of_sine,
}
"""The gradient of what an activation was given, from that of its outcome; relu is in place."""


@dataclass(frozen=True)
class RowLayer:
    """A layer as rows meet it: `activation(row) weight_t + bias`, in the dtype of products.

    Attributes:
        activation: What is done to what comes in.
        weight: `(out, in)`.
        weight_t: `(in, out)`, laid out anew.
        bias: `(out)`, or None.
    """

    activation: Activation
    weight: Tensor
    weight_t: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, layer: Layer, products: torch.dtype) -> "RowLayer":
        """Return a layer in the dtype of products."""
        weight = layer.weight.detach().to(products)
        bias = None if layer.bias is None else layer.bias.detach().to(products)
        return cls(layer.activation, weight, weight.T.contiguous(), bias)


@dataclass(frozen=True)
class LayerSums:
    """Where the gradients of a layer add up.

    Attributes:
        weight: `(out, in)`.
        bias: `(out)`, or None.
    """

    weight: Tensor
    bias: Tensor | None


class RowLayers:
    """Layers one after the other, forwards and backwards.

    Args:
        layers: At least one; without dropout.
        products: The dtype of products.
    """

    def __init__(self, layers: Sequence[Layer], products: torch.dtype) -> None:
        self.layers = [RowLayer.of(layer, products) for layer in layers]

    def outcome(self, given: Sequence[Tensor]) -> Tensor:
        """Return what the layers make of rows, `(n, out)`; see `given`."""
        return self._applied(len(self.layers) - 1, given[-1])

    def given(self, rows: Tensor) -> list[Tensor]:
        """Return what each layer is given; if it begins with relu, after that.

        Args:
            rows: `(n, in)`, in the dtype of products; relu overwrites it.
        """
        given = [self._bent(0, rows)]
        for number in range(1, len(self.layers)):
            given.append(self._bent(number, self._applied(number - 1, given[-1])))
        return given

    def backward(
        self, gradient: Tensor, given: Sequence[Tensor], sums: Sequence[LayerSums]
    ) -> Tensor:
        """Return the gradient of the rows, and add up those of the weights.

        Args:
            gradient: Of the outcome, `(n, out)`, in the dtype of products.
            given: What `given` has returned.
            sums: For each layer.

        Returns:
            `(n + 1, in)`, the last row zeros.
        """
        padded = gradient
        for number in reversed(range(len(self.layers))):
            layer, before, total = self.layers[number], given[number], sums[number]
            rows = self._activated(number, before)
            add_product(total.weight, gradient, rows)
            if total.bias is not None:
                total.bias.add_(gradient.sum(0, dtype=total.bias.dtype))
            padded = rows.new_empty(len(rows) + 1, rows.shape[1])
            gradient = torch.mm(gradient, layer.weight, out=padded[:-1])
            if layer.activation == "relu":
                _aten.threshold_backward.grad_input(gradient, rows, 0, grad_input=gradient)
            elif layer.activation != "none":
                gradient.copy_(GRADIENTS[layer.activation](gradient, before))
        padded[-1].zero_()
        return padded

    def _bent(self, number: int, rows: Tensor) -> Tensor:
        return rows.relu_() if self.layers[number].activation == "relu" else rows

    def _activated(self, number: int, given: Tensor) -> Tensor:
        activation = self.layers[number].activation
        return given if activation in ("none", "relu") else ACTIVATIONS[activation](given)

    def _applied(self, number: int, given: Tensor) -> Tensor:
        layer, rows = self.layers[number], self._activated(number, given)
        if layer.bias is None:
            return rows @ layer.weight_t
        return torch.addmm(layer.bias, rows, layer.weight_t)


def reduced(rows: Tensor, products: torch.dtype) -> Tensor:
    """Return rows in the dtype of products; if it is another, with rows of zeros behind."""
    if rows.dtype == products:
        return rows
    count = -(-len(rows) // ROWS) * ROWS
    wide = rows.new_empty(count, rows.shape[1], dtype=products)
    wide[: len(rows)].copy_(rows)
    wide[len(rows) :].zero_()
    return wide


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add `left.T right` to a matrix in place, in the matrix's own dtype."""
    if left.dtype == total.dtype:
        total.addmm_(left.T, right)
    else:
        total.add_(left.T @ right)
