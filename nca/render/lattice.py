"""How cells lie on a picture: in rows of squares, or as hexagons, where each row is moved left.

In rules of six neighbours a cell's are those of a square without its corners at (-1, 1) and
(1, -1). Six that are equally far lie so: cell (y, x) stands at x - y / 2, and rows are sqrt(3) / 2
of a cell apart, which is left out here. What is moved over the left edge comes in at the right.

Legend: H height, W width, in cells.
"""

import torch
from torch import Tensor


def hexagonal(picture: Tensor, scale: int) -> Tensor:
    """Return a picture with every cell so many pixels wide, `(C, H * scale, W * scale)`.

    Args:
        picture: `(C, H, W)`.
        scale: Pixels along each side of a cell; with an odd number, rows are moved by almost half
            a cell, and by whole cells on the whole.
    """
    height, width = picture.shape[-2:]
    large = picture.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
    row = torch.arange(height, device=picture.device).repeat_interleave(scale)
    column = torch.arange(width * scale, device=picture.device)
    taken = (column + (row * scale // 2).unsqueeze(1)) % (width * scale)
    return large.gather(-1, taken.expand_as(large))
