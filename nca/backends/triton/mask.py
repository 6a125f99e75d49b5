"""Living masks of fused steps: which cells live, and the dead cleared, in one launch each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.backends.triton.plan import power
from nca.backends.triton.step import cells_of, field_rows, launch

TILE = 64
"""Rows that a program holds at once."""


@dataclass(frozen=True)
class AliveChannel:
    """What tells life.

    Attributes:
        channel: The channel that tells it.
        radius: How near to a mature cell a living one is.
        above: What a mature cell exceeds.
    """

    channel: int
    radius: int
    above: float


def find_alive(level: Tensor, life: AliveChannel) -> Tensor:
    """Return which cells live, bool `(B, 1, H, W)`, as a level `(B, C, H, W)` tells it."""
    from nca.backends.triton.life import find_living

    rows = field_rows(level.detach())
    living = torch.empty_like(rows[..., 0], dtype=torch.bool)
    count, size = cells_of(rows)
    grid = (-(-count // TILE),)
    launch(
        find_living,
        grid,
        rows,
        living.view(torch.uint8),
        life.above,
        count,
        *size,
        **_of(life, rows),
    )
    return living.unsqueeze(1)


def clear_dead_cells(
    level: Tensor, levels: Sequence[Tensor], alive_before: Tensor, life: AliveChannel
) -> tuple[Tensor, ...]:
    """Return levels with zeros where no cell lives or none did.

    Args:
        level: What tells who lives, `(B, C, H, W)`.
        levels: What is cleared, float32 `(B, C, H, W)` each.
        alive_before: Which cells alive_before before, bool `(B, 1, H, W)`.
        life: Which channel decides what lives.
    """
    return _ClearDead.apply(level.detach(), alive_before, life, *levels)  # pyright: ignore[reportReturnType]


def _of(life: AliveChannel, rows: Tensor) -> dict[str, Any]:
    return {
        "CHANNELS": rows.shape[-1],
        "CHANNEL": life.channel,
        "RADIUS": life.radius,
        "TILE": TILE,
        "num_warps": 4,
    }


class _ClearDead(torch.autograd.Function):
    """Clear the dead; see `clear_dead_cells`."""

    @staticmethod
    def forward(
        ctx: Any, level: Tensor, alive_before: Tensor, life: AliveChannel, *levels: Tensor
    ) -> tuple[Tensor, ...]:
        from nca.backends.triton.life import bury_dead

        telling = field_rows(level)
        rows = tuple(field_rows(level) for level in levels)
        outs = tuple(torch.empty_like(row) for row in rows)
        kept = torch.empty_like(alive_before, memory_format=torch.contiguous_format)
        count, size = cells_of(telling)
        channels = tuple(row.shape[-1] for row in rows)
        launch(
            bury_dead,
            (-(-count // TILE), len(rows)),
            *(
                telling,
                rows,
                outs,
                alive_before.contiguous().view(torch.uint8),
                kept.view(torch.uint8),
            ),
            *(life.above, count, *size),
            COUNTS=channels,
            BLOCKS=tuple(map(power, channels)),
            **_of(life, telling),
        )
        ctx.save_for_backward(kept)
        return tuple(out.movedim(-1, 1) for out in outs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (kept,) = ctx.saved_tensors
        return None, None, None, *(gradient * kept for gradient in gradients)
