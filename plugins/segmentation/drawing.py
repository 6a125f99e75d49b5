"""Draw pictures whose masks are known: touching blobs in noise and uneven light.

Every blob is an ellipse of its own brightness. Where two meet, a thin dark seam belongs to none;
light falls off towards one side and waves, so that no one brightness tells blob from background.
All follows from the number of the picture by counted randomness.

Legend: B picture, K blob, H height, W width, in pixels.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nca import CellRNG
from nca.types import Size

NAMES = ("background", "blob")
"""What there is to see, in the order of the masks' numbers."""

AREA = 340.0
"""Pixels for each blob, on average: they are crowded, and most touch another."""
RADII = (4.0, 9.0)
"""The least and the greatest half axis of a blob, in pixels."""
SEAM = 1.2
"""Width, in pixels, of what belongs to none where two blobs meet."""
DARK = 0.25
"""Brightness of what is no blob, before the light."""
FAINT, BRIGHT = 0.45, 0.8
"""The least and the greatest brightness of a blob, before the light."""


@dataclass(frozen=True)
class Blobs:
    """Pictures of blobs, each drawn when it is asked for.

    Attributes:
        random_seed: From which all of them follow.
        size: Height and width, in pixels.
        noise: Standard deviation of the noise on every pixel.
        light: How far the light departs from even, as a share of it.
    """

    random_seed: int
    size: Size
    noise: float = 0.18
    light: float = 0.5

    def draw(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures of these numbers, `(B,)` int64, on their device.

        Returns:
            Pictures, float32 `(B, 1, H, W)`, about 0 to 1; masks, int64 `(B, H, W)`.
        """
        source = CellRNG(self.random_seed, 0, numbers)
        masks, clean = self._blobs(source)
        lit = clean * self._light(source)
        noise = self.noise * source.normal("noise", 1, self.size).squeeze(1)
        return (lit + noise).clamp(0, 1).unsqueeze(1), masks

    def _blobs(self, source: CellRNG) -> tuple[Tensor, Tensor]:
        """Return masks and pictures without light and noise, each `(B, H, W)`."""
        height, width = self.size
        device = source.samples.device
        down = torch.arange(height, device=device).view(1, -1, 1)
        across = torch.arange(width, device=device).view(1, 1, -1)
        count = max(1, round(height * width / AREA))
        drawn = source.each("blobs", 6 * count).view(-1, count, 6, 1, 1)
        nearest = torch.full((len(drawn), height, width), math.inf, device=device)
        second, clean = nearest.clone(), torch.full_like(nearest, DARK)
        for top, left, longer, shorter, turn, bright in (one.unbind(1) for one in drawn.unbind(1)):
            away = down - top * height, across - left * width
            axes = [RADII[0] + (RADII[1] - RADII[0]) * each for each in (longer, shorter)]
            sine, cosine = (turn * math.pi).sin(), (turn * math.pi).cos()
            along = (cosine * away[0] + sine * away[1]) / axes[0]
            beside = (cosine * away[1] - sine * away[0]) / axes[1]
            # pixels from the edge, about: below 0 inside
            edge = ((along.square() + beside.square()).sqrt() - 1) * torch.minimum(*axes)
            closer = edge < nearest
            second = torch.where(closer, nearest, torch.minimum(second, edge))
            nearest = torch.where(closer, edge, nearest)
            clean = torch.where(closer & (edge < 0), FAINT + (BRIGHT - FAINT) * bright, clean)
        inside = (nearest < 0) & (second - nearest > SEAM)
        return inside.long(), torch.where(inside, clean, DARK)

    def _light(self, source: CellRNG) -> Tensor:
        """Return how much light falls on each pixel, `(B, H, W)`, 1 on average."""
        height, width = self.size
        device = source.samples.device
        down = torch.linspace(-1, 1, height, device=device).view(1, -1, 1)
        across = torch.linspace(-1, 1, width, device=device).view(1, 1, -1)
        drawn = source.each("light", 4).view(-1, 4, 1, 1)
        angle, phase, waves, share = drawn.unbind(1)
        along = (2 * math.pi * angle).cos() * down + (2 * math.pi * angle).sin() * across
        wave = (2 * math.pi * phase + (1 + 2 * waves) * along * 2).sin()
        return 1 + self.light * (share * along + (1 - share) * wave) / math.sqrt(2)
