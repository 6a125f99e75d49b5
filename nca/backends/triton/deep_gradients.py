"""The gradients of deep nets, in Triton: see `nca.backends.triton.deep`.

Legend: M rows of a tile, N inputs of a layer, K outputs of a product, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.activations import derivative, value
from nca.backends.triton.deep import keep_sums
from nca.backends.triton.perceive import dot, tile_rows
from nca.backends.triton.slope import gradient_of_change


@triton.jit
def hand_on(
    fields, gradient, weights, low, kept, handed, mask, samples, draw, chance, size,
    count, height, width, tiles,
    WORK: tl.constexpr, N: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of what all units of a net sum up, and that of its change."""
    LEVEL: tl.constexpr = WORK.deep[N].level
    NET: tl.constexpr = WORK.deep[N].net
    LAYERS: tl.constexpr = len(NET.layers)
    LAST: tl.constexpr = NET.layers[LAYERS - 1]
    cells = count.to(tl.int64)
    channel = tl.arange(0, LEVEL.block)[None, :]
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, inside = tile_rows(tile, count, TILE)
        _, slope = gradient_of_change(
            gradient, mask, samples, draw, chance, size, row, inside, height, width,
            LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        at = cells * LAST.after + row.to(tl.int64) * LEVEL.block + channel
        tl.store(handed + at, slope.to(handed.dtype.element_ty), mask=inside)
        # which ends with a barrier: the gradient of the change can be read, too
        keep_sums(
            fields, weights, low, kept, row, inside, count, height, width, NET, TILE, PRODUCTS
        )
        for n in tl.static_range(LAYERS):
            _through_layer(low, kept, handed, row, inside, cells, NET, n, TILE, PRODUCTS)
            tl.debug_barrier()  # all threads have written what is read for the layer before


@triton.jit
def _through_layer(
    low, kept, handed, row, inside, cells,
    NET: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the inputs of a layer, before their activation; layers count back."""
    LAYER: tl.constexpr = NET.layers[len(NET.layers) - 1 - N]
    ACTIVATION: tl.constexpr = LAYER.activation
    HELD: tl.constexpr = LAYER.held
    after = handed + cells * LAYER.after
    before = handed + cells * LAYER.before
    for start in range(0, LAYER.inputs, HELD):
        unit = start + tl.arange(0, HELD)
        total = tl.zeros((TILE, HELD), tl.float32)
        for k in range(0, LAYER.outputs, LAYER.broad):
            out = k + tl.arange(0, LAYER.broad)
            at = row.to(tl.int64) * LAYER.outputs + out[None, :]
            back = tl.load(after + at, mask=inside, other=0.0).to(tl.float32)
            place = unit[:, None] * LAYER.outputs + out[None, :]
            matrix = tl.trans(tl.load(low + LAYER.first + place))
            total = dot(back, matrix, total, PRODUCTS)
        at = row.to(tl.int64) * LAYER.inputs + unit[None, :]
        summed = tl.load(kept + cells * LAYER.kept + at, mask=inside, other=0.0).to(tl.float32)
        total *= derivative(summed, ACTIVATION)
        tl.store(before + at, total.to(handed.dtype.element_ty), mask=inside)


@triton.jit
def layer_gradient(
    kept, handed, parts, count, tiles,
    WORK: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add to a part of the gradient of a layer: some of its rows, and some of its outputs.

    `kept` has its inputs before their activation, `handed` the gradient of its outputs.
    """
    LAYER: tl.constexpr = WORK.layers[N].layer
    ACTIVATION: tl.constexpr = LAYER.activation
    START: tl.constexpr = WORK.layers[N].start
    TALL: tl.constexpr = LAYER.tall
    WIDE: tl.constexpr = LAYER.wide
    top = tl.program_id(2) * TALL
    given = top + tl.arange(0, TALL)[None, :]
    unit = START + tl.arange(0, WIDE)[None, :]
    here = (top + tl.arange(0, TALL)[:, None]) * LAYER.outputs + unit
    total = tl.load(parts + here)  # of the steps after this one
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, inside = tile_rows(tile, count, TILE)
        at = row.to(tl.int64) * LAYER.inputs + given
        there = inside & (given < LAYER.inputs)
        summed = tl.load(kept + at, mask=there, other=0.0).to(tl.float32)
        active = value(summed, ACTIVATION)
        active = tl.where(given == LAYER.inputs, 1.0, active)  # the bias is multiplied with 1
        at = row.to(tl.int64) * LAYER.outputs + unit
        back = tl.load(handed + at, mask=inside, other=0.0).to(tl.float32)
        total = dot(tl.trans(active), back, total, PRODUCTS)
    tl.debug_barrier()  # all threads have read what is written now
    tl.store(parts + here, total)
