"""The program of a step, in Triton. See `nca.backends.triton` for what each program is for.

Before Triton 3.8 a part of a plan is no constant for the program that it is handed to, nor inside
a shape: programs hand over a whole plan and a number, and name the part again where they need it.

Legend: M rows of a tile, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.activations import value
from nca.backends.triton.attention import attended
from nca.backends.triton.deep import deep_change
from nca.backends.triton.draws import draw_of, fires, noise_of
from nca.backends.triton.life import highest_near, lives_around
from nca.backends.triton.perceive import (
    alive_at,
    dot,
    perceived_by,
    summed_by,
    summed_of,
    tile_rows,
)
from nca.backends.triton.squash import store_squashed


@triton.jit
def _said(
    hidden, low, start, total,
    LEVEL: tl.constexpr, N: tl.constexpr, WIDE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what `WIDE` hidden units say to a total, `(M, C)`."""
    ACTIVATION: tl.constexpr = LEVEL.nets[N].activation
    units = start + tl.arange(0, WIDE)[:, None]
    channel = tl.arange(0, LEVEL.block)[None, :]
    matrix = tl.load(low + LEVEL.nets[N].last + units * LEVEL.block + channel)
    return dot(value(hidden, ACTIVATION), matrix, total, PRODUCTS)


@triton.jit
def _net_change(
    field, lives, weights, low, row, inside, total, height, width,
    LEVEL: tl.constexpr, N: tl.constexpr, LIFE: tl.constexpr, TILE: tl.constexpr,
    PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Add what one net says to a total, `(M, C)`."""
    NET: tl.constexpr = LEVEL.nets[N]
    LATE: tl.constexpr = LIFE.late[NET.field]
    BLOCK: tl.constexpr = LEVEL.block
    REST: tl.constexpr = NET.hidden % NET.wide
    AHEAD: tl.constexpr = 3 if LATE else 9  # beside which cells live registers hold no more
    if NET.stencils > 0:
        seen = perceived_by(
            field, lives, weights, row, inside, height, width, NET, LATE, TILE, AHEAD
        )
        for start in range(0, NET.hidden - REST, NET.wide):
            hidden = summed_of(seen, weights, low, start, NET, NET.wide, TILE, PRODUCTS)
            total = _said(hidden, low, start, total, LEVEL, N, NET.wide, PRODUCTS)
        if REST > 0:
            hidden = summed_of(seen, weights, low, NET.hidden - REST, NET, REST, TILE, PRODUCTS)
            total = _said(hidden, low, NET.hidden - REST, total, LEVEL, N, REST, PRODUCTS)
    else:
        for start in range(0, NET.hidden, NET.wide):
            hidden = summed_by(
                field, lives, weights, low, row, inside, start, height, width,
                NET, LATE, TILE, PRODUCTS,
            )  # fmt: skip
            total = _said(hidden, low, start, total, LEVEL, N, NET.wide, PRODUCTS)
    channel = tl.arange(0, BLOCK)[None, :]
    return total + tl.load(weights + NET.last + NET.hidden * BLOCK + channel)


@triton.jit
def _change(
    fields, lives, weights, low, kept, row, inside, count, height, width,
    LEVEL: tl.constexpr, LIFE: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Return what all nets of a level say together, `(M, C)`."""
    BLOCK: tl.constexpr = LEVEL.block
    total = tl.zeros((TILE, BLOCK), tl.float32)
    for n in tl.static_range(len(LEVEL.nets)):
        field = fields[LEVEL.nets[n].field]
        total = _net_change(
            field, lives, weights, low, row, inside, total, height, width,
            LEVEL, n, LIFE, TILE, PRODUCTS,
        )  # fmt: skip
    for n in tl.static_range(len(LEVEL.deep)):
        total = deep_change(
            fields, weights, low, kept, row, inside, total, count, height, width,
            LEVEL, n, TILE, PRODUCTS,
        )  # fmt: skip
    return total


@triton.jit
def _step_level(
    fields, out, shown, weights, low, kept, living, before, cleared, survived, samples, draw,
    ahead, saves, chance, size, scale, above, count, height, width,
    PLAN: tl.constexpr, N: tl.constexpr, LIFE: tl.constexpr, FIRE: tl.constexpr,
    FROZEN: tl.constexpr, CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    LEVEL: tl.constexpr = PLAN.levels[N]
    NOISE: tl.constexpr = LEVEL.noise
    LATE: tl.constexpr = LIFE.late[LEVEL.field]
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    cells = height * width
    sample = tl.load(samples + row // cells, mask=inside, other=0).to(tl.int32)
    moves = fires(sample, inside, row % cells, draw, chance, LEVEL.fire, FIRE)
    lives = 0
    if FROZEN or CLEARED:
        life = fields[LIFE.field]
        if LATE:
            lives, highest = lives_around(
                life, before, row, inside, height, width, above, ahead == 0, LIFE, TILE
            )
        else:
            highest = highest_near(life, row, inside, height, width, LIFE)
        alive = highest > above
        if N == 0:
            tl.store(living + row, alive.to(tl.uint8), mask=inside)
        if FROZEN:
            moves = moves & alive
    channel = tl.arange(0, LEVEL.block)[None, :]
    there = inside & (channel < LEVEL.channels)
    at = row.to(tl.int64) * LEVEL.channels + channel
    own = tl.load(fields[LEVEL.field] + at, mask=there, other=0.0)
    if LATE:
        lives_on = alive_at(lives, 4)
        own *= lives_on
        tl.store(cleared + at, own, mask=there & (saves != 0))
        if N == 0:
            tl.store(survived + row, lives_on.to(tl.uint8), mask=inside & (saves != 0))
    change = _change(
        fields, lives, weights, low, kept, row, inside, count, height, width,
        LEVEL, LIFE, TILE, PRODUCTS,
    )  # fmt: skip
    if LEVEL.share >= 0:
        change += tl.load(weights + LEVEL.share) * own
    for n in tl.static_range(len(LEVEL.attentions)):
        change += attended(fields, weights, own, row, inside, draw, height, width, LEVEL, n, TILE)
    change *= size
    if len(NOISE) > 0:
        change += scale * noise_of(draw, sample, row % cells, channel, NOISE)
    own += change * moves.to(tl.float32)
    tl.store(out + at, own, mask=there)
    if LATE or not CLEARED:
        store_squashed(shown, at, own, there, PLAN, N)


@triton.jit(do_not_specialize=["ahead", "saves", "chance", "count", "height", "width"])
def step_levels(
    fields, outs, shown, weights, low, kept, living, before, cleared, survived, samples, clock,
    ahead, saves, chance, size, scale, above, count, height, width,
    PLAN: tl.constexpr, LIFE: tl.constexpr, FIRE: tl.constexpr, FROZEN: tl.constexpr,
    CLEARED: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Let one step pass, a program for each tile of each level; write which cells live before.

    Where the dead of the step before are still in fields (`LIFE.late`), they count as zeros;
    if `saves` is not 0, what is left without them is written as well, and which cells survived.
    """
    draw = draw_of(clock, ahead)
    for n in tl.static_range(len(PLAN.levels)):
        if tl.program_id(1) == n:
            _step_level(
                fields, outs[n], shown, weights, low, kept, living, before, cleared[n], survived,
                samples, draw, ahead, saves, chance, size, scale, above, count, height, width,
                PLAN, n, LIFE, FIRE, FROZEN, CLEARED, TILE, PRODUCTS,
            )  # fmt: skip
