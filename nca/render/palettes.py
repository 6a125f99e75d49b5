"""Colours for classes and levels, told apart also by those who see few colours.

The ten class colours are a project's choice in the spirit of Okabe and Ito (2008): hues and
lightness both differ between neighbours in the list.
"""

import torch
from torch import Tensor

CLASS_COLOURS = torch.tensor(
    [
        [0.00, 0.27, 0.53],
        [0.90, 0.62, 0.00],
        [0.34, 0.71, 0.91],
        [0.00, 0.62, 0.45],
        [0.94, 0.89, 0.26],
        [0.52, 0.16, 0.42],
        [0.84, 0.37, 0.00],
        [0.80, 0.60, 0.75],
        [0.35, 0.35, 0.35],
        [0.55, 0.75, 0.40],
    ]
)


def paint(chosen: Tensor, colours: Tensor) -> Tensor:
    """Return each cell in the colour of its class, `(B, 3, *space)`, from 0 to 1.

    Args:
        chosen: Class of each cell, int64 `(B, *space)`; colours repeat beyond the last.
        colours: `(K, 3)`.
    """
    return colours.to(chosen.device)[chosen % len(colours)].movedim(-1, 1)
