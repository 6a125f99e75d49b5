"""Islands as tinted areas with an outline.

Legend: H height, W width.
"""

import colorsys

import torch
from torch import Tensor

OUTLINE = torch.tensor([0.05, 0.05, 0.05])
TINT = 0.55


def outlined(picture: Tensor, labels: Tensor, scale: int) -> Tensor:
    """Return a picture with every island tinted and rimmed.

    Args:
        picture: `(3, H, W)`, from 0 to 1.
        labels: The island of each cell, int64 `(H, W)`; 0: none, which stays as it is.
        scale: Pixels along each side of a cell.

    Returns:
        `(3, H * scale, W * scale)`.
    """
    large = labels.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    ground = picture.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    hues = [colorsys.hsv_to_rgb(0.07 + number * 0.381966 % 1, 0.75, 0.95) for number in range(64)]
    tint = torch.tensor(hues)[large % len(hues)].movedim(-1, 0)
    inside = large > 0
    shown = torch.where(inside, (1 - TINT) * ground + TINT * tint, ground)
    return torch.where(_rim(large) & inside, OUTLINE[:, None, None], shown)


def _rim(labels: Tensor) -> Tensor:
    """Return which pixels have a neighbour of another number; the edge of the grid is no rim."""
    rim = torch.zeros_like(labels, dtype=torch.bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    rim[1:] |= down
    rim[:-1] |= down
    rim[:, 1:] |= right
    rim[:, :-1] |= right
    return rim
