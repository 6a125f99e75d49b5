"""Deep nets in Triton: nets of several hidden layers, or that read several fields.

Layer after layer, all programs of a tile write what its hidden units sum up to memory, `kept`, and
read it for the next layer, so that registers hold one piece of one layer at a time. What is kept is
rounded as products are, before its activation.

Legend: M rows of a tile, N outputs of a layer, K inputs of a product, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.activations import value
from nca.backends.triton.perceive import add_summed, dot


@triton.jit
def _keep(kept, numbers, row, inside, start, WIDTH: tl.constexpr, WIDE: tl.constexpr):
    """Write `WIDE` of the `WIDTH` numbers of each cell, `(M, N)`."""
    at = row.to(tl.int64) * WIDTH + start + tl.arange(0, WIDE)[None, :]
    tl.store(kept + at, numbers.to(kept.dtype.element_ty), mask=inside)


@triton.jit
def _add_layer(
    total, weights, low, kept, row, inside, start, LAYER: tl.constexpr, PRODUCTS: tl.constexpr
):
    """Add the outputs of a layer from `start` on, `(M, N)`."""
    ACTIVATION: tl.constexpr = LAYER.activation
    unit = start + tl.arange(0, LAYER.wide)[None, :]
    total += tl.load(weights + LAYER.first + LAYER.inputs * LAYER.outputs + unit)
    for k in range(0, LAYER.inputs, LAYER.deep):
        at = row.to(tl.int64) * LAYER.inputs + k + tl.arange(0, LAYER.deep)[None, :]
        summed = tl.load(kept + at, mask=inside, other=0.0).to(tl.float32)
        rows = k + tl.arange(0, LAYER.deep)[:, None]
        matrix = tl.load(low + LAYER.first + rows * LAYER.outputs + unit)
        total = dot(value(summed, ACTIVATION), matrix, total, PRODUCTS)
    return total


@triton.jit
def _add_read(
    total, fields, low, row, inside, start, height, width,
    NET: tl.constexpr, N: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what the first hidden units sum up of one field."""
    READ: tl.constexpr = NET.reads[N]
    field = fields[READ.field]
    return add_summed(
        total, field, 0, low, row, inside, start, height, width, READ, False, PRODUCTS
    )


@triton.jit
def keep_sums(
    fields, weights, low, kept, row, inside, count, height, width,
    NET: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Write what all hidden units of a tile sum up; when it ends, all of it can be read."""
    READ: tl.constexpr = NET.reads[0]
    WIDE: tl.constexpr = READ.wide
    cells = count.to(tl.int64)
    for start in range(0, READ.hidden, WIDE):
        unit = start + tl.arange(0, WIDE)[None, :]
        total = tl.zeros((TILE, WIDE), tl.float32)
        total += tl.load(weights + READ.first + 9 * READ.block * READ.hidden + unit)
        for r in tl.static_range(len(NET.reads)):
            total = _add_read(
                total, fields, low, row, inside, start, height, width, NET, r, PRODUCTS
            )
        _keep(kept + cells * NET.layers[0].kept, total, row, inside, start, READ.hidden, WIDE)
    tl.debug_barrier()  # all threads have written what is read now
    LATER: tl.constexpr = len(NET.layers) - 1
    for n in tl.static_range(LATER):
        _keep_layer(weights, low, kept, row, inside, cells, NET, n, TILE, PRODUCTS)
        tl.debug_barrier()


@triton.jit
def _keep_layer(
    weights, low, kept, row, inside, cells,
    NET: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    LAYER: tl.constexpr = NET.layers[N]
    WIDE: tl.constexpr = LAYER.wide
    inputs = kept + cells * LAYER.kept
    outputs = kept + cells * NET.layers[N + 1].kept
    for start in range(0, LAYER.outputs, WIDE):
        total = tl.zeros((TILE, WIDE), tl.float32)
        total = _add_layer(total, weights, low, inputs, row, inside, start, LAYER, PRODUCTS)
        _keep(outputs, total, row, inside, start, LAYER.outputs, WIDE)


@triton.jit
def deep_change(
    fields, weights, low, kept, row, inside, total, count, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what a deep net says to a total, `(M, C)`."""
    NET: tl.constexpr = LEVEL.deep[N]
    LAST: tl.constexpr = NET.layers[len(NET.layers) - 1]
    keep_sums(fields, weights, low, kept, row, inside, count, height, width, NET, TILE, PRODUCTS)
    inputs = kept + count.to(tl.int64) * LAST.kept
    return _add_layer(total, weights, low, inputs, row, inside, 0, LAST, PRODUCTS)
