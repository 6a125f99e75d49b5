"""Sprites: discs, squares, triangles, rings and crosses of any size and turn.

A pixel belongs to a sprite if its middle does.

Legend: B scene, K sprite, T try, S pixels along a side.
"""

import math

import torch
from torch import Tensor

from nca import CellRNG

KINDS = ("disc", "square", "triangle", "ring", "cross")


def sprite_masks(
    source: CellRNG, count: int, tries: int, side: int, radius: tuple[float, float]
) -> Tensor:
    """Return where each sprite would lie in each try, bool `(B, K, T, S, S)`.

    Args:
        source: The numbers of the scenes; a sprite keeps kind, size and turn in all its tries.
        count: Sprites in each scene.
        tries: Places to choose from.
        side: Pixels along each side of the scene.
        radius: The least and the greatest radius of a circle around a sprite, in pixels.
    """
    drawn = source.each("sprites", count * (3 + 2 * tries)).double()
    drawn = drawn.view(-1, count, 3 + 2 * tries)
    low, high = radius
    kind = (drawn[..., 0] * len(KINDS)).long()[..., None, None, None]
    reach = (low + drawn[..., 1] * (high - low))[..., None, None]  # (B, K, 1, 1)
    angle = (2 * math.pi * drawn[..., 2])[..., None, None, None]
    centre = reach + drawn[..., 3:].unflatten(2, (tries, 2)) * (side - 2 * reach)  # (B, K, T, 2)
    line = torch.arange(side, dtype=torch.float64) + 0.5
    away = (line - centre.unsqueeze(-1)) / reach.unsqueeze(-1)  # (B, K, T, 2, S)
    down, across = away[..., 0, :, None], away[..., 1, None, :]
    first = angle.cos() * down - angle.sin() * across  # (B, K, T, S, S)
    second = angle.sin() * down + angle.cos() * across
    return torch.stack(_inside(first, second)).gather(0, kind.expand_as(first)[None]).squeeze(0)


def _inside(down: Tensor, across: Tensor) -> list[Tensor]:
    """Return which points lie in a sprite of each kind, in the circle of radius 1 around 0."""
    distance = (down.square() + across.square()).sqrt()
    longer, shorter = (
        torch.maximum(down.abs(), across.abs()),
        torch.minimum(down.abs(), across.abs()),
    )
    slanted = math.sqrt(0.75) * across.abs() - down / 2
    return [
        distance <= 0.9,
        longer <= 0.7,
        torch.maximum(slanted, down) <= 0.5,
        (distance >= 0.5) & (distance <= 1),
        (longer <= 0.9) & (shorter <= 0.3),
    ]
