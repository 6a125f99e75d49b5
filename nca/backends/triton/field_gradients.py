"""The gradients of fields, in Triton: what comes back to cells from all that have read them.

Legend: M rows of a tile, N hidden units, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.attention import of_attended
from nca.backends.triton.draws import draw_of
from nca.backends.triton.perceive import dot, tap_rows, tile_rows
from nca.backends.triton.slope import gradient_of_change
from nca.backends.triton.squash import squashed


@triton.jit
def _through(
    handed, weights, low, row, inside, total, count, height, width,
    NETS: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what the cells around heard of a cell through one net, `(M, C)`.

    `NETS` has the nets: a target, or what is computed of it.
    """
    NET: tl.constexpr = NETS.nets[N]
    STENCILS: tl.constexpr = NET.stencils
    channel = tl.arange(0, BLOCK)[None, :]
    heard = handed + count.to(tl.int64) * NET.ahead
    if NET.stencils > 0:
        for tap in tl.static_range(9):
            at = tap_rows(row, tap, height, width, -1).to(tl.int64) * NET.handed
            for k in tl.static_range(STENCILS):
                back = tl.load(heard + at + k * BLOCK + channel, mask=inside, other=0.0)
                kernel = NET.kernels + k * 9 + tap
                total += tl.load(weights + kernel) * back.to(tl.float32)
    else:
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
    shown, earlier, before, handed, weights, low, row, inside, at, there, count, height, width,
    TARGET: tl.constexpr, N: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what comes to a level through what is computed of it, `(M, C)`.

    And write what was computed of it a step before, for the gradient of that step.
    """
    THROUGH: tl.constexpr = TARGET.through[N]
    BLOCK: tl.constexpr = TARGET.block
    total = tl.zeros((TILE, BLOCK), tl.float32)
    for n in tl.static_range(len(THROUGH.nets)):
        total = _through(
            handed, weights, low, row, inside, total, count, height, width,
            THROUGH, n, BLOCK, PRODUCTS,
        )  # fmt: skip
    tanh = tl.load(shown + at, mask=there, other=0.0) / THROUGH.bound
    level = tl.load(earlier + at, mask=there, other=0.0)
    tl.store(before + at, squashed(level, THROUGH.bound), mask=there)
    return total * (1 - tanh * tanh)


@triton.jit
def _of_field(
    fields, earlier, gradients, out, before, parts, weights, low, handed, attended, mask, samples,
    draw, chance, size, count, height, width,
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
            handed, weights, low, row, inside, total, count, height, width,
            TARGET, n, BLOCK, PRODUCTS,
        )  # fmt: skip
    channel = tl.arange(0, BLOCK)[None, :]
    there = inside & (channel < TARGET.channels)
    at = row.to(tl.int64) * TARGET.channels + channel
    for n in tl.static_range(len(TARGET.through)):
        total += _of_shown(
            fields[TARGET.through[n].field], earlier[TARGET.through[n].number],
            before[TARGET.through[n].number], handed, weights, low, row, inside, at, there,
            count, height, width, TARGET, n, TILE, PRODUCTS,
        )  # fmt: skip
    for n in tl.static_range(len(TARGET.attentions)):
        total = of_attended(
            fields[TARGET.field], gradients[TARGET.place], attended, row, inside, total,
            count, height, width, TARGET, n, TILE,
        )  # fmt: skip
    if TARGET.place >= 0:
        after, slope = gradient_of_change(
            gradients[TARGET.place], mask, samples, draw, chance, size, row, inside,
            height, width, LEVEL, FIRE, FROZEN, CLEARED,
        )  # fmt: skip
        total += after
        for n in tl.static_range(len(LEVEL.attentions)):
            total -= tl.load(weights + LEVEL.attentions[n].numbers) * slope
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
    fields, earlier, gradients, outs, before, parts, weights, low, handed, attended, mask, samples,
    clock, ahead, chance, size, count, height, width,
    WORK: tl.constexpr, SHARES: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of fields, and parts of those of the shares that levels add.

    `earlier` has the levels before the step before, of which it writes what nets read squashed to
    `before`.
    """
    draw = draw_of(clock, ahead)
    for n in tl.static_range(len(WORK.targets)):
        if tl.program_id(1) == n:
            _of_field(
                fields, earlier, gradients, outs[n], before, parts, weights, low, handed, attended,
                mask, samples, draw, chance, size, count, height, width,
                WORK, n, SHARES, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
            )  # fmt: skip
