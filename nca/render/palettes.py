"""Colours for classes and for numbers, distinct also for those who see few colours.

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

SEQUENTIAL = torch.tensor(
    [[0, 34, 78], [67, 78, 108], [125, 124, 120], [188, 175, 111], [254, 232, 56]]
)
"""From little to much, rising in lightness, safe for those who see few colours."""

DIVERGING = torch.tensor([[33, 102, 172], [247, 247, 247], [179, 88, 6]])
"""From negative over zero to positive."""


def paint(chosen: Tensor, colours: Tensor) -> Tensor:
    """Return each cell in the colour of its class, `(B, 3, *space)`, from 0 to 1.

    Args:
        chosen: Class of each cell, int64 `(B, *space)`; colours repeat beyond the last.
        colours: `(K, 3)`.
    """
    return colours.to(chosen.device)[chosen % len(colours)].movedim(-1, 1)


def ramp(values: Tensor, stops: Tensor) -> Tensor:
    """Return values from 0 to 1, `(H, W)`, in colours between stops, `(3, H, W)`."""
    place = values.clamp(0, 1).nan_to_num(0) * (len(stops) - 1)
    below = place.floor().long().clamp(max=len(stops) - 2)
    share = (place - below).unsqueeze(-1)
    colours = torch.lerp(stops[below].float(), stops[below + 1].float(), share.float())
    return (colours / 255).movedim(-1, 0)


def ceiling(values: Tensor) -> float:
    """Return the power of two above almost all magnitudes: a scale that seldom jumps."""
    high = values.abs().nan_to_num(0, 0, 0).flatten().double().cpu().quantile(0.98).item()
    return 2.0 ** torch.tensor(max(high, 1e-6)).log2().ceil().item()
