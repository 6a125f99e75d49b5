"""The programs of the backward pass, in Triton. See `nca.backends.triton` for what each is for.

Legend: M rows of a tile, K rows of a first layer, N hidden units, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.activations import derivative, value
from nca.backends.triton.attention import MANY_CHANNELS, energy_of, hand_attention
from nca.backends.triton.deep_gradients import hand_on, layer_gradient
from nca.backends.triton.draws import draw_of
from nca.backends.triton.perceive import (
    dot,
    perceived_by,
    seen_by,
    summed_by,
    summed_of,
    tile_rows,
)
from nca.backends.triton.slope import gradient_of_change


@triton.jit
def _of_hidden(
    field, gradient, weights, low, handed, parts, mask, samples, draw, chance, size,
    count, height, width, tiles,
    WORK: tl.constexpr, N: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    LEVEL: tl.constexpr = WORK.units[N].level
    NET: tl.constexpr = WORK.units[N].net
    START: tl.constexpr = WORK.units[N].start
    ACTIVATION: tl.constexpr = NET.activation
    WIDE: tl.constexpr = NET.wide
    BLOCK: tl.constexpr = LEVEL.block
    unit = START + tl.arange(0, WIDE)
    channel = tl.arange(0, BLOCK)
    here = unit[:, None] * BLOCK + channel[None, :]
    matrix = tl.trans(tl.load(low + NET.last + here))
    of_matrix = tl.load(parts + here)  # of the steps after this one
    of_bias = tl.zeros((BLOCK,), tl.float32)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, inside = tile_rows(tile, count, TILE)
        _, slope = gradient_of_change(
            gradient, mask, samples, draw, chance, size, row, inside, height, width,
            LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        summed = summed_by(
            field, 0, weights, low, row, inside, START, height, width, NET, False, TILE, PRODUCTS
        )
        back = dot(slope, matrix, tl.zeros((TILE, WIDE), tl.float32), PRODUCTS)
        back *= derivative(summed, ACTIVATION)
        at = row.to(tl.int64) * NET.hidden + unit[None, :]
        tl.store(handed + at, back.to(handed.dtype.element_ty), mask=inside)
        active = value(summed, ACTIVATION)
        of_matrix = dot(tl.trans(active), slope, of_matrix, PRODUCTS)
        of_bias += tl.sum(slope, axis=0)
    tl.debug_barrier()  # all threads have read what is written now
    tl.store(parts + here, of_matrix)
    if START == 0:
        at_bias = parts + NET.hidden * BLOCK + channel
        tl.store(at_bias, tl.load(at_bias) + of_bias)


@triton.jit
def _of_perceived(
    field, gradient, weights, low, handed, firsts, parts, mask, samples, draw, chance, size,
    count, height, width, tiles,
    WORK: tl.constexpr, N: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """The same for what cells perceive through stencils, and the first layer along with it.

    It takes `wide` hidden units after `wide` hidden units over all its tiles, and the rest; they
    add to what those before have handed on.
    """
    NET: tl.constexpr = WORK.units[N].net
    REST: tl.constexpr = NET.hidden % NET.wide
    for start in range(0, NET.hidden - REST, NET.wide):
        _of_units(
            field, gradient, weights, low, handed, firsts, parts, mask, samples, draw, chance,
            size, count, height, width, tiles, start,
            WORK, N, NET.wide, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
        )  # fmt: skip
    if REST > 0:
        _of_units(
            field, gradient, weights, low, handed, firsts, parts, mask, samples, draw, chance,
            size, count, height, width, tiles, NET.hidden - REST,
            WORK, N, REST, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
        )  # fmt: skip


@triton.jit
def _of_units(
    field, gradient, weights, low, handed, firsts, parts, mask, samples, draw, chance, size,
    count, height, width, tiles, start,
    WORK: tl.constexpr, N: tl.constexpr, WIDE: tl.constexpr, FIRE: tl.constexpr,
    FROZEN: tl.constexpr, CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    LEVEL: tl.constexpr = WORK.units[N].level
    NET: tl.constexpr = WORK.units[N].net
    ACTIVATION: tl.constexpr = NET.activation
    BLOCK: tl.constexpr = LEVEL.block
    SEEN: tl.constexpr = NET.block
    STENCILS: tl.constexpr = NET.stencils
    channel = tl.arange(0, BLOCK)
    see = tl.arange(0, SEEN)
    # beside the operands of tensor cores registers hold no more
    AHEAD: tl.constexpr = 9 if PRODUCTS == "exact" else 3
    unit = start + tl.arange(0, WIDE)
    here = unit[:, None] * BLOCK + channel[None, :]
    matrix = tl.trans(tl.load(low + NET.last + here))
    of_last = tl.zeros((WIDE, BLOCK), tl.float32)
    of_bias = tl.zeros((BLOCK,), tl.float32)
    of_units = tl.zeros((WIDE,), tl.float32)
    of_first = tl.zeros((WIDE, SEEN), tl.float32)
    of_second, of_third, of_fourth = of_first, of_first, of_first
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, inside = tile_rows(tile, count, TILE)
        _, slope = gradient_of_change(
            gradient, mask, samples, draw, chance, size, row, inside, height, width,
            LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        seen = perceived_by(field, 0, weights, row, inside, height, width, NET, False, TILE, AHEAD)
        summed = summed_of(seen, weights, low, start, NET, WIDE, TILE, PRODUCTS)
        active = value(summed, ACTIVATION)
        of_last = dot(tl.trans(active), slope, of_last, PRODUCTS)
        of_bias += tl.sum(slope, axis=0)
        back = dot(slope, matrix, tl.zeros((TILE, WIDE), tl.float32), PRODUCTS)
        back *= derivative(summed, ACTIVATION)
        of_units += tl.sum(back, axis=0)
        turned = tl.trans(back)
        of_first = dot(turned, seen[0], of_first, PRODUCTS)
        if NET.stencils > 1:
            of_second = dot(turned, seen[1], of_second, PRODUCTS)
        if NET.stencils > 2:
            of_third = dot(turned, seen[2], of_third, PRODUCTS)
        if NET.stencils > 3:
            of_fourth = dot(turned, seen[3], of_fourth, PRODUCTS)
        for s in tl.static_range(STENCILS):
            place = (s * SEEN + see[:, None]) * NET.hidden + unit[None, :]
            at = handed + row.to(tl.int64) * NET.handed + s * SEEN + see[None, :]
            more = inside & (start > 0)
            part = tl.load(at, mask=more, other=0.0).to(tl.float32)
            part = dot(back, tl.trans(tl.load(low + NET.first + place)), part, PRODUCTS)
            tl.store(at, part.to(handed.dtype.element_ty), mask=inside)
    _add(parts + here, of_last)  # to those of the steps after this one
    if start == 0:
        _add(parts + NET.hidden * BLOCK + channel, of_bias)
    first = firsts + see[None, :] * NET.hidden + unit[:, None]
    _add(first, of_first)
    if NET.stencils > 1:
        _add(first + SEEN * NET.hidden, of_second)
    if NET.stencils > 2:
        _add(first + 2 * SEEN * NET.hidden, of_third)
    if NET.stencils > 3:
        _add(first + 3 * SEEN * NET.hidden, of_fourth)
    _add(firsts + NET.stencils * SEEN * NET.hidden + unit, of_units)
    # all threads have written what is read for the next hidden units
    tl.debug_barrier()


@triton.jit
def _of_attention(
    fields, gradient, weights, attended, parts, mask, samples, draw, chance, size,
    count, height, width, tiles,
    WORK: tl.constexpr, N: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Compute what attention hands on, and parts of the gradients of its rate and sharpness."""
    LEVEL: tl.constexpr = WORK.attending[N].level
    NUMBER: tl.constexpr = WORK.attending[N].number
    ATTENTION: tl.constexpr = LEVEL.attentions[NUMBER]
    on = attended + count.to(tl.int64) * (18 * ATTENTION.ahead)
    # of many channels half of the rows at once, since registers hold no more
    PARTS: tl.constexpr = 2 if LEVEL.block >= MANY_CHANNELS else 1
    ROWS: tl.constexpr = TILE // PARTS
    of_rate = tl.zeros((ROWS, 1), tl.float32)
    of_sharpness = of_rate
    for tile in range(tl.program_id(0), PARTS * tiles, tl.num_programs(0)):
        row, inside = tile_rows(tile, count, ROWS)
        energy = energy_of(fields, row, inside, height, width, LEVEL, NUMBER, ROWS)
        _, slope = gradient_of_change(
            gradient, mask, samples, draw, chance, size, row, inside, height, width,
            LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        first, second = hand_attention(
            fields[LEVEL.field], energy, slope, weights, on, row, inside, draw, size,
            count, height, width, LEVEL, NUMBER, ROWS,
        )  # fmt: skip
        of_rate += first
        of_sharpness += second
    _add(parts + ATTENTION.numbers, tl.sum(tl.sum(of_rate, axis=1), axis=0))
    _add(parts + ATTENTION.numbers + 1, tl.sum(tl.sum(of_sharpness, axis=1), axis=0))


@triton.jit
def _add(place, numbers):
    """Add numbers to what this program alone reads and writes."""
    before = tl.load(place)
    tl.debug_barrier()  # all threads have read what is written now
    tl.store(place, before + numbers)


@triton.jit(do_not_specialize=["ahead", "chance", "count", "height", "width", "tiles"])
def hidden_gradients(
    fields, gradients, weights, low, kept, handed, attended, firsts, lasts, mask, samples,
    clock, ahead, chance, size, count, height, width, tiles,
    PLAN: tl.constexpr, WORK: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Compute what nets hand to the cells that they read, and parts of the gradients of weights.

    Those are the gradients of last layers, and of first layers that sum up what is perceived.
    """
    draw = draw_of(clock, ahead)
    own_first = firsts + tl.program_id(0) * PLAN.firsts
    own_last = lasts + tl.program_id(0) * PLAN.lasts
    for n in tl.static_range(len(WORK.units)):
        if tl.program_id(1) == n:
            field = fields[WORK.units[n].net.field]
            gradient = gradients[WORK.units[n].place]
            on = handed + count.to(tl.int64) * WORK.units[n].net.ahead
            last = own_last + (WORK.units[n].net.last - PLAN.firsts)
            if WORK.units[n].net.stencils > 0:
                _of_perceived(
                    field, gradient, weights, low, on, own_first + WORK.units[n].net.first, last,
                    mask, samples, draw, chance, size, count, height, width, tiles,
                    WORK, n, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
                )  # fmt: skip
            else:
                _of_hidden(
                    field, gradient, weights, low, on, last,
                    mask, samples, draw, chance, size, count, height, width, tiles,
                    WORK, n, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
                )  # fmt: skip
    for n in tl.static_range(len(WORK.deep)):
        if tl.program_id(1) == len(WORK.units) + n:
            hand_on(
                fields, gradients[WORK.deep[n].place], weights, low, kept, handed,
                mask, samples, draw, chance, size, count, height, width, tiles,
                WORK, n, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
            )  # fmt: skip
    for n in tl.static_range(len(WORK.attending)):
        if tl.program_id(1) == len(WORK.units) + len(WORK.deep) + n:
            _of_attention(
                fields, gradients[WORK.attending[n].place], weights, attended,
                own_last - PLAN.firsts, mask, samples, draw, chance, size,
                count, height, width, tiles, WORK, n, FIRE, FROZEN, CLEARED, TILE,
            )  # fmt: skip


@triton.jit
def _of_first(
    field, handed, parts, count, height, width, tiles,
    WORK: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    NET: tl.constexpr = WORK.units[N].net
    START: tl.constexpr = WORK.units[N].start
    TALL: tl.constexpr = NET.tall
    WIDE: tl.constexpr = NET.wide
    top = tl.program_id(2) * TALL
    unit = START + tl.arange(0, WIDE)[None, :]
    rows = top + tl.arange(0, TALL)[:, None]
    total = tl.load(parts + rows * NET.hidden + unit)  # of the steps after this one
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, inside = tile_rows(tile, count, TILE)
        seen = seen_by(field, 0, row, inside, top, height, width, NET, TALL, True, False)
        at = row.to(tl.int64) * NET.hidden + unit
        back = tl.load(handed + at, mask=inside, other=0.0).to(tl.float32)
        total = dot(tl.trans(seen), back, total, PRODUCTS)
    tl.debug_barrier()  # all threads have read what is written now
    tl.store(parts + rows * NET.hidden + unit, total)


@triton.jit(do_not_specialize=["count", "height", "width", "tiles"])
def first_gradients(
    fields, kept, handed, parts, count, height, width, tiles,
    PLAN: tl.constexpr, WORK: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Compute parts of the gradients of first layers that sum up a neighbourhood tap by tap.

    And of all layers of deep nets.
    """
    own = parts + tl.program_id(0) * PLAN.firsts
    for n in tl.static_range(len(WORK.units)):
        more = tl.program_id(2) * WORK.units[n].net.tall < WORK.units[n].net.rows
        if (tl.program_id(1) == n) & more:
            _of_first(
                fields[WORK.units[n].net.field],
                handed + count.to(tl.int64) * WORK.units[n].net.ahead,
                own + WORK.units[n].net.first,
                count, height, width, tiles, WORK, n, TILE, PRODUCTS,
            )  # fmt: skip
    for n in tl.static_range(len(WORK.layers)):
        more = tl.program_id(2) * WORK.layers[n].layer.tall < WORK.layers[n].layer.rows
        if (tl.program_id(1) == len(WORK.units) + n) & more:
            layer_gradient(
                kept + count.to(tl.int64) * WORK.layers[n].layer.kept,
                handed + count.to(tl.int64) * WORK.layers[n].layer.after,
                own + WORK.layers[n].layer.first,
                count, tiles, WORK, n, TILE, PRODUCTS,
            )  # fmt: skip
