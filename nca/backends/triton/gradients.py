"""The programs of the backward pass, in Triton. See `nca.backends.triton` for what each is for.

Legend: M rows of a tile, K rows of a first layer, N hidden units, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.programs import (
    dot,
    draw_of,
    fires,
    seen_by,
    summed_by,
    tap_rows,
    tile_rows,
)


@triton.jit
def _gradient(
    gradient, mask, samples, draw, chance, size, row, inside, height, width,
    LEVEL: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr, CLEARED: tl.constexpr,
):  # fmt: skip
    """Return the gradient of a level before the dead are cleared, and that of its change.

    Both are `(M, C)`. The mask says which cells may change (frozen) or were kept (cleared).
    """
    cells = height * width
    sample = tl.load(samples + row // cells, mask=inside, other=0).to(tl.int32)
    moves = fires(sample, inside, row % cells, draw, chance, LEVEL.fire, FIRE)
    channel = tl.arange(0, LEVEL.block)[None, :]
    there = inside & (channel < LEVEL.channels)
    at = row.to(tl.int64) * LEVEL.channels + channel
    after = tl.load(gradient + at, mask=there, other=0.0)
    if FROZEN or CLEARED:
        lives = tl.load(mask + row, mask=inside, other=0) != 0
        if FROZEN:
            moves = moves & lives
        else:
            after *= lives.to(tl.float32)
    return after, after * moves.to(tl.float32) * size


@triton.jit
def _of_hidden(
    field, gradient, weights, low, hidden, parts, mask, samples, draw, chance, size,
    count, height, width, tiles,
    WORK: tl.constexpr, N: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    LEVEL: tl.constexpr = WORK.units[N].level
    NET: tl.constexpr = WORK.units[N].net
    START: tl.constexpr = WORK.units[N].start
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
        _, slope = _gradient(
            gradient, mask, samples, draw, chance, size, row, inside, height, width,
            LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        summed = summed_by(
            field, weights, low, row, inside, START, height, width, NET, TILE, PRODUCTS
        )
        back = dot(slope, matrix, tl.zeros((TILE, WIDE), tl.float32), PRODUCTS)
        back = tl.where(summed <= 0, 0.0, back)
        at = row.to(tl.int64) * NET.hidden + unit[None, :]
        tl.store(hidden + at, back.to(hidden.dtype.element_ty), mask=inside)
        active = tl.where(summed < 0, 0.0, summed)
        of_matrix = dot(tl.trans(active), slope, of_matrix, PRODUCTS)
        of_bias += tl.sum(slope, axis=0)
    tl.debug_barrier()  # all threads have read what is written now
    tl.store(parts + here, of_matrix)
    if START == 0:
        at_bias = parts + NET.hidden * BLOCK + channel
        tl.store(at_bias, tl.load(at_bias) + of_bias)


@triton.jit(do_not_specialize=["ahead", "chance", "count", "height", "width", "tiles"])
def hidden_gradients(
    fields, gradients, weights, low, hidden, parts, mask, samples,
    clock, ahead, chance, size, count, height, width, tiles,
    PLAN: tl.constexpr, WORK: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of hidden layers, and parts of the gradients of last layers."""
    draw = draw_of(clock, ahead)
    own = parts + tl.program_id(0) * PLAN.lasts
    for n in tl.static_range(len(WORK.units)):
        if tl.program_id(1) == n:
            _of_hidden(
                fields[WORK.units[n].net.field], gradients[WORK.units[n].place], weights, low,
                hidden + count.to(tl.int64) * WORK.units[n].net.ahead,
                own + (WORK.units[n].net.last - PLAN.firsts),
                mask, samples, draw, chance, size, count, height, width, tiles,
                WORK, n, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
            )  # fmt: skip


@triton.jit
def _of_first(
    field, hidden, parts, count, height, width, tiles,
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
        seen = seen_by(field, row, inside, top, height, width, NET, TALL, True)
        at = row.to(tl.int64) * NET.hidden + unit
        back = tl.load(hidden + at, mask=inside, other=0.0).to(tl.float32)
        total = dot(tl.trans(seen), back, total, PRODUCTS)
    tl.debug_barrier()  # all threads have read what is written now
    tl.store(parts + rows * NET.hidden + unit, total)


@triton.jit(do_not_specialize=["count", "height", "width", "tiles"])
def first_gradients(
    fields, hidden, parts, count, height, width, tiles,
    PLAN: tl.constexpr, WORK: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Compute parts of the gradients of first layers: sums over some of the tiles."""
    own = parts + tl.program_id(0) * PLAN.firsts
    for n in tl.static_range(len(WORK.units)):
        more = tl.program_id(2) * WORK.units[n].net.tall < WORK.units[n].net.rows
        if (tl.program_id(1) == n) & more:
            _of_first(
                fields[WORK.units[n].net.field],
                hidden + count.to(tl.int64) * WORK.units[n].net.ahead,
                own + WORK.units[n].net.first,
                count, height, width, tiles, WORK, n, TILE, PRODUCTS,
            )  # fmt: skip


@triton.jit
def _through(
    hidden, low, row, inside, total, count, height, width,
    NETS: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what the cells around heard of a cell through one net, `(M, C)`.

    `NETS` has the nets: a target, or what is computed of it.
    """
    NET: tl.constexpr = NETS.nets[N]
    channel = tl.arange(0, BLOCK)[None, :]
    heard = hidden + count.to(tl.int64) * NET.ahead
    for start in range(0, NET.hidden, NET.wide):
        for tap in range(9):
            at = tap_rows(row, tap, height, width, -1).to(tl.int64)
            unit = start + tl.arange(0, NET.wide)
            back = tl.load(heard + at * NET.hidden + unit[None, :], mask=inside, other=0.0)
            place = (tap * NET.block + channel) * NET.hidden + unit[:, None]
            matrix = tl.load(low + NET.first + place, mask=channel < NET.block, other=0.0)
            total = dot(back.to(tl.float32), matrix, total, PRODUCTS)
    return total


@triton.jit
def _of_shown(
    shown, hidden, low, row, inside, at, there, count, height, width,
    TARGET: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what comes to a level through what is computed of it, `(M, C)`."""
    THROUGH: tl.constexpr = TARGET.through[N]
    BLOCK: tl.constexpr = TARGET.block
    total = tl.zeros((TILE, BLOCK), tl.float32)
    for n in tl.static_range(len(THROUGH.nets)):
        total = _through(
            hidden, low, row, inside, total, count, height, width,
            THROUGH, n, BLOCK, PRODUCTS,
        )  # fmt: skip
    tanh = tl.load(shown + at, mask=there, other=0.0) / THROUGH.bound
    return total * (1 - tanh * tanh)


@triton.jit
def _of_field(
    fields, gradients, out, parts, weights, low, hidden, mask, samples, draw, chance, size,
    count, height, width,
    WORK: tl.constexpr, N: tl.constexpr, SHARES: tl.constexpr, FIRE: tl.constexpr,
    FROZEN: tl.constexpr, CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    TARGET: tl.constexpr = WORK.targets[N]
    LEVEL: tl.constexpr = TARGET.level
    BLOCK: tl.constexpr = TARGET.block
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    total = tl.zeros((TILE, BLOCK), tl.float32)
    for n in tl.static_range(len(TARGET.nets)):
        total = _through(
            hidden, low, row, inside, total, count, height, width,
            TARGET, n, BLOCK, PRODUCTS,
        )  # fmt: skip
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < TARGET.channels)
    at = row.to(tl.int64) * TARGET.channels + channel
    for n in tl.static_range(len(TARGET.through)):
        total += _of_shown(
            fields[TARGET.through[n].field], hidden, low, row, inside, at, there,
            count, height, width, TARGET, n, TILE, PRODUCTS,
        )  # fmt: skip
    if TARGET.place >= 0:
        after, slope = _gradient(
            gradients[TARGET.place], mask, samples, draw, chance, size, row, inside,
            height, width, LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        total += after
        if LEVEL.share >= 0:
            total += tl.load(weights + LEVEL.share) * slope
            own = tl.load(fields[TARGET.field] + at, mask=there, other=0.0)
            part = tl.sum(tl.sum(slope * own, axis=1), axis=0)
            at_share = parts + tl.program_id(0) * SHARES + TARGET.share
            part += tl.load(at_share)  # of the steps after this one
            tl.debug_barrier()  # all threads have read what is written now
            tl.store(at_share, part)
    else:  # a field that no step writes: the gradients of all steps add up
        total += tl.load(out + at, mask=there, other=0.0)
    tl.store(out + at, total, mask=there)


@triton.jit(do_not_specialize=["ahead", "chance", "count", "height", "width"])
def field_gradients(
    fields, gradients, outs, parts, weights, low, hidden, mask, samples,
    clock, ahead, chance, size, count, height, width,
    WORK: tl.constexpr, SHARES: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of fields, and parts of those of the shares that levels add."""
    draw = draw_of(clock, ahead)
    for n in tl.static_range(len(WORK.targets)):
        if tl.program_id(1) == n:
            _of_field(
                fields, gradients, outs[n], parts, weights, low, hidden, mask, samples, draw,
                chance, size, count, height, width,
                WORK, n, SHARES, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
            )  # fmt: skip
