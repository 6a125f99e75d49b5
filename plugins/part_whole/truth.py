"""What is true of the cells of a scene: which part each belongs to, which whole, of which class.

Legend: B batch, K whole, P part, H height, W width, in cells.
"""

import torch
from torch import Tensor, nn

from nca_plugins.part_whole.drawing import Scenes, whole_of
from nca_plugins.part_whole.scenes import PARTS
from nca_plugins.pixels import Pixels


def truth_of(scenes: Scenes, pixels: Pixels) -> dict[str, Tensor]:
    """Return `part`, `whole` and `class` of each cell, int64 `(B, H, W)`; 0 for background.

    Args:
        scenes: What is seen.
        pixels: How it lies in cells.
    """
    part = parts_of(scenes.parts, PARTS * scenes.classes.shape[1], pixels)
    whole = whole_of(part)
    classes = nn.functional.pad(scenes.classes.long(), (1, 0))  # (B, 1 + K)
    named = classes.gather(1, whole.flatten(1)).view_as(whole)
    return {"part": part, "whole": whole, "class": named}


def parts_of(parts: Tensor, count: int, pixels: Pixels) -> Tensor:
    """Return the part that most inked pixels of each cell belong to, int64 `(B, H, W)`.

    Cells of which less than a quarter is ink are background.

    Args:
        parts: The part that each pixel belongs to, `(B, height, width)`; 0 for background.
        count: How many parts there can be.
        pixels: How they lie in cells.
    """
    cells = pixels.cut(parts.unsqueeze(1))  # (B, patch ** 2, H, W)
    number = torch.arange(1, count + 1, device=parts.device).view(-1, 1, 1, 1)
    votes = (cells.unsqueeze(1) == number).sum(dim=2)  # (B, P, H, W)
    inked = 4 * votes.sum(dim=1) >= pixels.patch**2
    return (votes.argmax(dim=1) + 1) * inked
