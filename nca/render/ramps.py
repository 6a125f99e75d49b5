"""Numbers as colours, told apart also by those who see few of them."""

import torch
from torch import Tensor

SEQUENTIAL = torch.tensor(
    [[0, 34, 78], [67, 78, 108], [125, 124, 120], [188, 175, 111], [254, 232, 56]]
)
"""From little to much, rising in lightness, safe for those who see few colours."""

DIVERGING = torch.tensor([[33, 102, 172], [247, 247, 247], [179, 88, 6]])
"""From negative over zero to positive."""


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
