"""How tasks whose input is a picture cut it into cells, walk through it, and show it.

Legend: B batch, C colour or label, H height, W width, in cells.
"""

import math
from functools import lru_cache

import torch
from einops import rearrange
from torch import Tensor, nn

from nca import CellRNG, HostRNG, display
from nca.types import Size


def to_cells(images: Tensor, patch: int, size: Size) -> Tensor:
    """Cut images into cells and set them into the middle of the grid; what is beside is 0.

    Args:
        images: `(B, C, height, width)`, in pixels.
        patch: Pixels along each side of a cell.
        size: Height and width of the grid, in cells.

    Returns:
        `(B, C * patch ** 2, H, W)`.
    """
    cells = rearrange(images, "b c (h i) (w j) -> b (c i j) h w", i=patch, j=patch)
    margins = []
    for have, want in zip(cells.shape[:1:-1], size[::-1], strict=True):
        margins += [(want - have) // 2, want - have - (want - have) // 2]
    return nn.functional.pad(cells, margins) if any(margins) else cells


def epochs(random_seed: int, samples: Tensor, count: int) -> Tensor:
    """Return which of `count` images each sample is: every epoch has all, in an order of its own.

    Args:
        random_seed: The run's number.
        samples: `(B,)`, int64: a sample's number says its epoch and its place in it.
        count: Images to learn from.
    """
    rounds, places = samples // count, samples % count
    index = torch.empty_like(samples)
    for epoch in rounds.unique().tolist():
        order = _epoch(random_seed, epoch, count).to(samples.device)
        index = torch.where(rounds == epoch, order[places], index)
    return index


def class_picture(chosen: Tensor, ink: Tensor, colours: Tensor) -> Tensor:
    """Return each cell in the colour of its class, as strong as its ink, `(B, 3, H, W)`.

    Args:
        chosen: Class of each cell, int64 `(B, H, W)`.
        ink: Brightness of each cell's brightest pixel, `(B, H, W)`; 1 is white.
        colours: `(K, 3)`.
    """
    strength = 0.25 + 0.75 * ink.clamp(0, 1)
    return display.paint(chosen, colours) * strength.unsqueeze(1) + (1 - strength).unsqueeze(1)


def discs(source: CellRNG, share: float, radius: float, size: Size) -> Tensor:
    """Return cells inside random discs on the torus, bool `(B, H, W)`.

    So many discs that on average `share` of all cells lies in at least one.
    """
    height, width = size
    count = max(1, round(-math.log1p(-share) * height * width / (math.pi * radius**2)))
    centre = source.each("emptied", 2 * count).view(-1, count, 2, 1, 1)
    away = [
        (torch.arange(side, device=centre.device).view(shape) - centre[:, :, axis] * side).abs()
        for axis, (side, shape) in enumerate(((height, (-1, 1)), (width, (1, -1))))
    ]
    down, across = (torch.minimum(a, n - a) for a, n in zip(away, size, strict=True))
    return (down.square() + across.square() < radius**2).any(dim=1)


@lru_cache(maxsize=4)
def _epoch(random_seed: int, epoch: int, count: int) -> Tensor:
    return HostRNG(random_seed, epoch).order("epoch", count)
