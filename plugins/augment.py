"""Training pictures, each time a little different."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import CellRNG, Options
from nca.types import Fraction, NonNegative


@dataclass(frozen=True)
class Augment(Options):
    """How far a training picture may differ from the one in the data set.

    Every draw is uniform between minus and plus the number, and counted like all randomness.

    Attributes:
        shift: Pixels along each axis.
        turn: Degrees.
        scale: Share of its size by which it grows or shrinks.
        mirror: Chance that left and right are exchanged.
    """

    shift: NonNegative = 0.0
    turn: NonNegative = 0.0
    scale: Fraction = 0.0
    mirror: Fraction = 0.0

    def __call__(self, images: Tensor, source: CellRNG) -> Tensor:
        """Return the pictures changed, with zeros where they leave their frame.

        Args:
            images: `(B, C, height, width)`, floating point.
            source: One draw for each picture.
        """
        draws = 2 * source.each("augment", 5) - 1  # (B, 5), from -1 to 1
        angle = draws[:, 0] * math.radians(self.turn)
        zoom = 1 / (1 + draws[:, 1] * self.scale)
        mirrored = torch.where((draws[:, 2] + 1) / 2 < self.mirror, -1.0, 1.0)
        height, width = images.shape[2:]
        dy, dx = (2 * self.shift * draws[:, 3 + i] / side for i, side in enumerate((height, width)))
        sine, cosine = zoom * angle.sin(), zoom * angle.cos()
        rows = [
            torch.stack([cosine * mirrored, -sine * height / width, dx], dim=1),
            torch.stack([sine * mirrored * width / height, cosine, dy], dim=1),
        ]
        grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid.to(images.dtype), align_corners=False)
