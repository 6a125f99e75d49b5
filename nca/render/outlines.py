"""Turn features and islands into colours.

Legend: B sample, C channel, H height, W width.
"""

import colorsys
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BRIGHTEST = 0.98
"""Lengths beyond this quantile are shown as bright as it."""

OUTLINE = torch.tensor([0.05, 0.05, 0.05])
TINT = 0.55


def component_colours(tensors: Sequence[Tensor], fitted: slice = slice(None)) -> list[Tensor]:
    """Return the first three principal components as red, green and blue.

    One basis and one scale serve all tensors, so that colours mean the same in all of them.

    Args:
        tensors: `(B, C, *space)` of one level, at several moments.
        fitted: Those of the tensors to which basis and scale are fitted.

    Returns:
        `(B, 3, *space)` each, from 0 to 1; grey at the mean.
    """
    found = _components(tensors, fitted, 3)
    scale = _largest([one.abs() for one in found[fitted]])
    return [(0.5 + 0.5 * one / scale).clamp(0, 1).movedim(-1, 1).float() for one in found]


def angle_colours(tensors: Sequence[Tensor], fitted: slice = slice(None)) -> list[Tensor]:
    """Return the angle in the plane of the first two principal components as hue.

    Brightness is the length in that plane: cells at the mean are black. One plane and one scale
    serve all tensors.

    Args:
        tensors: `(B, C, *space)` of one level, at several moments.
        fitted: Those of the tensors to which plane and scale are fitted.

    Returns:
        `(B, 3, *space)` each, from 0 to 1.
    """
    found = _components(tensors, fitted, 2)
    lengths = [one.norm(dim=-1, keepdim=True) for one in found]
    longest = _largest(lengths[fitted])
    coloured = []
    for plane, length in zip(found, lengths, strict=True):
        down, right = plane.unbind(-1)
        hue = torch.atan2(down, right) / (2 * math.pi) % 1
        bright = (length / longest).clamp(max=1).movedim(-1, 1)
        coloured.append((wheel(hue) * bright).float())
    return coloured


def wheel(hue: Tensor) -> Tensor:
    """Return full colours, `(B, 3, *space)`, for hues from 0 to 1, `(B, *space)`."""
    turn = torch.stack([(hue * 6 + shift) % 6 for shift in (5, 3, 1)], dim=1)
    return 1 - torch.minimum(turn, 4 - turn).clamp(0, 1)


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


def _components(tensors: Sequence[Tensor], fitted: slice, count: int) -> list[Tensor]:
    """Return so many principal components of each tensor, `(B, *space, count)`."""
    # a level that has left the finite numbers is shown as if it stood at the mean
    cells = [tensor.detach().double().nan_to_num(0, 0, 0).movedim(1, -1) for tensor in tensors]
    flat = torch.cat([one.flatten(0, -2) for one in cells[fitted]])
    mean = flat.mean(dim=0)
    _, _, basis = torch.linalg.svd(flat - mean, full_matrices=False)
    basis = basis[:count]
    # a component's sign is arbitrary; let its greatest weight be positive
    signs = basis.gather(1, basis.abs().argmax(dim=1, keepdim=True)).sign()
    basis = basis * torch.where(signs == 0, 1.0, signs)
    basis = F.pad(basis, (0, 0, 0, count - len(basis)))  # a level may have fewer channels
    return [(one - mean) @ basis.T for one in cells]


def _largest(moments: Sequence[Tensor]) -> Tensor:
    """Return the `BRIGHTEST` quantile of each component, `(count,)`, of the largest moment."""
    each = [one.flatten(0, -2).quantile(BRIGHTEST, dim=0) for one in moments]
    return torch.stack(each).amax(dim=0).clamp(min=1e-12)
