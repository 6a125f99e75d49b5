"""Draw ellipses on pixels: what is seen, and which part each pixel belongs to.

A pixel is the mean of 4 x 4 points. On each row of points an ellipse is one interval, whose ends
a square root gives; the four points of a pixel in that row are four bits.

Legend: B scene, K whole, P part, S pixels along a side, F points along a side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nca import CellRNG
from nca_plugins.part_whole.scenes import PARTS, Ellipses, Settings, arrange

POINTS = 4
"""Points along each side of a pixel; `_cover` counts so many bits, and no others."""

FAINT, WHITE = 153, 255
"""The least and the greatest brightness of a part, of 255."""


@dataclass(frozen=True)
class Scenes:
    """Pictures and their truth.

    Attributes:
        images: `(B, S, S)`, uint8: 0 is black.
        parts: `(B, S, S)`, uint8: `5 (k - 1) + t` is the part of type t of whole k, both from 1;
            0 is background: pixels of which less than a quarter is covered.
        classes: `(B, K)`, uint8: the class of each whole, from 1; 0: there is no such whole.
    """

    images: Tensor
    parts: Tensor
    classes: Tensor


def scenes(settings: Settings, random_seed: int, numbers: Tensor) -> Scenes:
    """Return the scenes of these numbers, `(B,)` int64, all on the host.

    The noise of the settings is not in them: it does not fit into a byte.
    """
    ellipses = arrange(settings, random_seed, numbers)
    source = CellRNG(random_seed, 0, numbers)
    drawn = source.each("brightness", ellipses.present.shape[1])
    brightness = FAINT + (drawn * (WHITE - FAINT + 1)).long()  # (B, P)
    cover = _cover(ellipses, settings.side)  # (B, S, S, P)
    points = POINTS**2
    # whole numbers throughout: no order of summation can change them
    light = (cover * brightness[:, None, None]).sum(dim=-1)
    most, part = cover.max(dim=-1)
    inked = cover.sum(dim=-1) >= points / 4
    return Scenes(
        images=((light + points // 2) // points).to(torch.uint8),
        parts=((part + 1) * (inked & (most > 0))).to(torch.uint8),
        classes=ellipses.classes.to(torch.uint8),
    )


def noise(settings: Settings, random_seed: int, numbers: Tensor) -> Tensor:
    """Return the noise on the scenes of these numbers, float32 `(B, S, S)`, on their device."""
    size = (settings.side, settings.side)
    return settings.noise * CellRNG(random_seed, 0, numbers).normal("noise", 1, size).squeeze(1)


def type_of(parts: Tensor) -> Tensor:
    """Return the type of each part, from 1; 0 for background."""
    return (parts - 1) % PARTS * (parts > 0) + (parts > 0)


def whole_of(parts: Tensor) -> Tensor:
    """Return the whole that each part belongs to, from 1; 0 for background."""
    return (parts + PARTS - 1) // PARTS


def _cover(ellipses: Ellipses, side: int) -> Tensor:
    """Return how many points of each pixel each part covers, uint8 `(B, S, S, P)`."""
    bits = _bits(*_intervals(ellipses, side * POINTS))  # (B, P, F, S)
    taken, seen = torch.zeros_like(bits[:, 0]), []
    for part in reversed(bits.unbind(dim=1)):  # later parts lie on top
        seen.append(part & ~taken)
        taken = taken | part
    seen = torch.stack(seen[::-1], dim=-1)  # (B, F, S, P)
    pairs = (seen & 5) + (seen >> 1 & 5)
    rows = (pairs & 3) + (pairs >> 2)
    return rows.unflatten(1, (side, POINTS)).sum(dim=2, dtype=torch.uint8)


def _bits(first: Tensor, last: Tensor) -> Tensor:
    """Return the four points of each pixel in each row as bits, uint8 `(B, P, F, S)`."""
    left = POINTS * torch.arange(first.shape[-1] // POINTS, dtype=torch.int16)
    begin = (first.unsqueeze(-1) - left).clamp(0, POINTS)
    end = (last.unsqueeze(-1) - left + 1).clamp(0, POINTS)
    one = torch.ones((), dtype=torch.int16)
    return ((one << end) - (one << torch.minimum(begin, end))).to(torch.uint8)


def _intervals(ellipses: Ellipses, points: int) -> tuple[Tensor, Tensor]:
    """Return the first and the last point of each row in each ellipse, int16 `(B, P, F)`.

    With `S = shape shape^T` the ellipse is `p^T S^-1 p <= 1`; at height y its middle is
    `S_xy / S_yy y`, and half its width `sqrt(det S / S_yy (1 - y^2 / S_yy))`.
    """
    square = ellipses.shapes @ ellipses.shapes.mT
    xx, xy, yy = (square[..., i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))  # (B, P, 1)
    row = (2 * torch.arange(points, dtype=torch.float64) + 1) / points - 1
    height = row - ellipses.centres[..., 1, None]  # (B, P, F)
    inner = 1 - height.square() / yy
    half = ((xx - xy.square() / yy) * inner.clamp(min=0)).sqrt()
    middle = ellipses.centres[..., 0, None] + xy / yy * height
    first, last = (((middle + half * sign + 1) * points - 1) / 2 for sign in (-1, 1))
    empty = (inner <= 0) | ~ellipses.present.unsqueeze(-1)
    last = last.floor().masked_fill(empty, -1)
    return first.ceil().clamp(0, points).to(torch.int16), last.clamp(-1, points).to(torch.int16)
