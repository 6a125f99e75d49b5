"""Which cells live, and the program that clears the dead, in Triton. See `nca.backends.triton`.

Legend: M rows of a tile, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.perceive import tap_rows, tile_rows
from nca.backends.triton.squash import store_squashed


@triton.jit
def _higher(one, other):
    return tl.maximum(one, other, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _telling(life, at, inside, LIFE: tl.constexpr):
    """Return the channel that tells life, of cells by their rows."""
    place = at.to(tl.int64) * LIFE.channels + LIFE.channel
    return tl.load(life + place, mask=inside, other=0.0)


@triton.jit
def highest_near(life, row, inside, height, width, LIFE: tl.constexpr):
    """Return the maximum of the channel that tells life in the neighbourhood, `(M, 1)`."""
    RADIUS: tl.constexpr = LIFE.radius
    highest = _telling(life, row, inside, LIFE)
    if RADIUS == 1:  # unrolled, so that all loads are on their way at once
        for tap in tl.static_range(9):
            at = tap_rows(row, tap, height, width, 1)
            highest = _higher(highest, _telling(life, at, inside, LIFE))
    else:
        x = row % width
        y = row // width % height
        side: tl.constexpr = 2 * RADIUS + 1
        for n in range(side * side):
            # the radius may exceed the side; the rest of a division has the sign of the dividend
            down = ((y + n // side - RADIUS) % height + height) % height
            right = ((x + n % side - RADIUS) % width + width) % width
            at = row + (down - y) * width + (right - x)
            highest = _higher(highest, _telling(life, at, inside, LIFE))
    return highest


@triton.jit
def lives_around(
    life, before, row, inside, height, width, above, first,
    LIFE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Return which of the cells around survived the step before, and the highest of these.

    That step has left its dead in the field that tells life. A cell survived if it was alive before
    that step, and is after it; before the first step all cells count as they are.

    Returns:
        A bit for each tap, `(M, 1)`, and the maximum of the channel that tells life, `(M, 1)`.
    """
    LATE: tl.constexpr = LIFE.late[LIFE.field]
    lives = tl.zeros((TILE, 1), tl.int32)
    highest = tl.full((TILE, 1), float("-inf"), tl.float32)
    if LIFE.radius == 1:
        x = row % width
        y = row // width % height
        begin = row - x - y * width
        far_up = _line(life, begin, inside, y - 2, x, height, width, LIFE)
        up = _line(life, begin, inside, y - 1, x, height, width, LIFE)
        same = _line(life, begin, inside, y, x, height, width, LIFE)
        down = _line(life, begin, inside, y + 1, x, height, width, LIFE)
        far_down = _line(life, begin, inside, y + 2, x, height, width, LIFE)
        lines = (far_up, up, same, down, far_down)
    for tap in tl.static_range(9):
        at = tap_rows(row, tap, height, width, 1)
        if LIFE.radius == 1:
            seen = lines[tap // 3 + 1][3 + tap % 3]
            near = _higher(lines[tap // 3][tap % 3], lines[tap // 3 + 1][tap % 3])
            near = _higher(near, lines[tap // 3 + 2][tap % 3])
        else:  # each cell tells its own life
            seen = _telling(life, at, inside, LIFE)
            near = seen
        alive = tl.load(before + at, mask=inside, other=0) != 0
        alive = ((near > above) & alive) | first
        lives |= alive.to(tl.int32) << tap
        if LATE:
            seen *= alive.to(tl.float32)
        if LIFE.radius == 1 or tap == 4:
            highest = _higher(highest, seen)
    return lives, highest


@triton.jit
def _line(life, begin, inside, y, x, height, width, LIFE: tl.constexpr):
    """Return the highest of three cells side by side, three times, and those in the middle.

    Of a row of the grid, the three times around columns `x - 1`, `x` and `x + 1`.
    """
    line = begin + _wrapped(y, height) * width
    first = _telling(life, line + _wrapped(x - 2, width), inside, LIFE)
    second = _telling(life, line + _wrapped(x - 1, width), inside, LIFE)
    third = _telling(life, line + x, inside, LIFE)
    fourth = _telling(life, line + _wrapped(x + 1, width), inside, LIFE)
    fifth = _telling(life, line + _wrapped(x + 2, width), inside, LIFE)
    left = _higher(second, third)
    right = _higher(third, fourth)
    return (
        _higher(first, left), _higher(left, fourth), _higher(right, fifth), second, third, fourth
    )  # fmt: skip


@triton.jit
def _wrapped(place, side):
    """Return a row or column of the torus that is at most two beyond, of a side of any length."""
    place = tl.where(place < 0, place + side, place)
    place = tl.where(place < 0, place + side, place)
    place = tl.where(place >= side, place - side, place)
    return tl.where(place >= side, place - side, place)


@triton.jit
def _keep(level, out, shown, row, inside, lives, PLAN: tl.constexpr, N: tl.constexpr):
    COUNT: tl.constexpr = PLAN.levels[N].channels
    channel = tl.arange(0, PLAN.levels[N].block)[None, :]
    there = inside & (channel < COUNT)
    at = row.to(tl.int64) * COUNT + channel
    kept = tl.load(level + at, mask=there, other=0.0) * lives
    tl.store(out + at, kept, mask=there)
    store_squashed(shown, at, kept, there, PLAN, N)


@triton.jit(do_not_specialize=["count", "height", "width"])
def clear_dead(
    life, levels, outs, shown, alive_before, kept, above, count, height, width,
    PLAN: tl.constexpr, LIFE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Write levels with zeros where a cell does not live, or did not; and which cells do.

    And what nets will read squashed of them.
    """
    row, inside = tile_rows(tl.program_id(0), count, TILE)
    highest = highest_near(life, row, inside, height, width, LIFE)
    lives = (highest > above) & (tl.load(alive_before + row, mask=inside, other=0) != 0)
    for n in tl.static_range(len(PLAN.levels)):
        if tl.program_id(1) == n:
            _keep(levels[n], outs[n], shown, row, inside, lives.to(tl.float32), PLAN, n)
    if tl.program_id(1) == 0:
        tl.store(kept + row, lives.to(tl.uint8), mask=inside)
