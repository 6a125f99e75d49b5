"""The gradient of a level's change, in Triton, of which all gradients of a step are made.

Legend: M rows of a tile, C channels.
"""

import triton
import triton.language as tl

from nca.backends.triton.draws import fires


@triton.jit
def gradient_of_change(
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
