"""How far a picture is from a target that may be turned, and held before a mirror.

Both are unwound about one cell into rings. To turn the target is then to shift its rings, and the
squared error of every shift comes from one Fourier transform: `|x|^2 + |y|^2 - 2 x*y`, where `*`
correlates along the ring. Read backwards, a ring is its mirror image (Mordvintsev et al. 2022,
arXiv 2205.01681).

Legend: B batch, C channel, H height, W width, R ring, A angle.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import losses


def least_squared_error(pictures: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error against the target, turned as it fits best, `(B,)`.

    Cells nearer to the middle one than the nearest edge are compared ring by ring, each ring with
    the weight of its cells; what lies beyond shall be empty.

    Args:
        pictures: `(B, C, H, W)`.
        target: `(C, H, W)`, or one for each picture, `(B, C, H, W)`; empty beyond the rings.
    """
    height, width = pictures.shape[2:]
    rings = ring_count(height, width)
    pictures = losses.at_least_float32(pictures)
    ours, wanted = unwound(pictures), unwound(target.to(pictures).expand_as(pictures))
    angles = ours.shape[-1]
    # how many cells a ring has, shared among its angles
    share = math.pi * torch.arange(1, 2 * rings, 2).to(pictures) / angles
    power = (ours.square() + wanted.square()).sum(dim=(1, 3)) @ share  # (B,)
    ours, wanted = torch.fft.rfft(ours), torch.fft.rfft(wanted)
    crossed = torch.stack([ours * wanted.conj(), ours * wanted], dim=1)  # straight and mirrored
    alike = torch.fft.irfft(crossed.sum(dim=2), n=angles)  # (B, 2, R, A)
    alike = torch.einsum("bmra,r->bma", alike, share).flatten(1).amax(dim=1)
    away = distances(height, width, pictures.device)
    outside = (pictures * (away > rings)).square().flatten(1).sum(dim=1)
    return (power - 2 * alike + outside) / (pictures.shape[1] * height * width)


def unwound(pictures: Tensor) -> Tensor:
    """Return rings around the middle cell, from the inmost, read clockwise: `(B, C, R, A)`.

    Args:
        pictures: `(B, C, H, W)`.
    """
    height, width = pictures.shape[2:]
    rings = ring_count(height, width)
    angles = 4 * math.ceil(math.pi * rings / 2)  # the outmost ring has one for each cell
    radius = torch.arange(rings, device=pictures.device).view(-1, 1) + 0.5
    turn = torch.arange(angles, device=pictures.device) * (2 * math.pi / angles)
    places = torch.stack(
        [
            (width // 2 + radius * turn.cos()) * 2 / (width - 1) - 1,
            (height // 2 + radius * turn.sin()) * 2 / (height - 1) - 1,
        ],
        dim=-1,
    )  # (R, A, 2), from -1 in the first cell to 1 in the last
    return F.grid_sample(
        pictures,
        places.to(pictures).expand(len(pictures), -1, -1, -1),
        mode="bilinear",
        align_corners=True,
    )


def ring_count(height: int, width: int) -> int:
    """Return how many rings fit around the middle cell."""
    return (min(height, width) - 1) // 2


def distances(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return how far each cell lies from the middle one, in cells, `(H, W)`."""
    down = torch.arange(height, device=device) - height // 2
    across = torch.arange(width, device=device) - width // 2
    return torch.hypot(down[:, None].float(), across[None].float())
