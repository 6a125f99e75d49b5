"""How right masks are: Dice, IoU and pixel accuracy; and what training makes small.

Legend: B sample, K class, H height, W width, in pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import Share, losses
from nca.metrics import wide

UNKNOWN = -1
"""What a mask holds where the class is unknown; such pixels count nowhere."""


def counts(chosen: Tensor, masks: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pixels of each class in both, in the first and in the second, `(B, K)` each.

    Args:
        chosen: Class of each pixel, int64 `(B, H, W)`.
        masks: True classes, int64 `(B, H, W)`; -1: unknown.
        classes: How many there are.
    """
    known = masks != UNKNOWN
    pairs = []
    for number in range(classes):
        own, true = (chosen == number) & known, masks == number
        pairs.append([wide(part.flatten(1).sum(dim=1)) for part in (own & true, own, true)])
    both, own, true = (torch.stack(part, dim=1) for part in zip(*pairs, strict=True))
    return both, own, true


def mask_rightness(chosen: Tensor, masks: Tensor, names: Sequence[str]) -> dict[str, Share]:
    """Return Dice, IoU and pixel accuracy over all classes, and the Dice of each class.

    Dice and IoU are means over the classes of each picture, those left out that are neither in
    the mask nor in the answer. The Dice of one class is pooled over the pixels of all pictures.

    Args:
        chosen: Class of each pixel, int64 `(B, H, W)`.
        masks: True classes, int64 `(B, H, W)`; -1: unknown.
        names: The classes.
    """
    both, own, true = counts(chosen, masks, len(names))
    either = own + true - both
    there = wide(either > 0)
    dice, iou = 2 * both / (own + true).clamp(min=1), both / either.clamp(min=1)
    found = {
        "Dice": Share((dice * there).sum(dim=1), there.sum(dim=1)),
        "IoU": Share((iou * there).sum(dim=1), there.sum(dim=1)),
        "pixels right": Share(both.sum(dim=1), true.sum(dim=1)),
    }
    for number, name in enumerate(names):
        found[f"Dice of {name}"] = Share(2 * both[:, number], (own + true)[:, number])
    return found


def pixel_cross_entropy(scores: Tensor, masks: Tensor) -> Tensor:
    """Return the mean cross-entropy over the known pixels of each sample, `(B,)`.

    Args:
        scores: Of each class, `(B, K, H, W)`.
        masks: True classes, int64 `(B, H, W)`; -1: unknown.
    """
    each = F.cross_entropy(
        losses.at_least_float32(scores), masks, reduction="none", ignore_index=UNKNOWN
    )
    return losses.masked_mean(each, masks != UNKNOWN)


def soft_dice(scores: Tensor, masks: Tensor) -> Tensor:
    """Return 1 - Dice of the classes' probabilities, the mean over all classes, `(B,)`.

    Args:
        scores: Of each class, `(B, K, H, W)`.
        masks: True classes, int64 `(B, H, W)`; -1: unknown.
    """
    known = (masks != UNKNOWN).unsqueeze(1)
    share = torch.softmax(losses.at_least_float32(scores), dim=1) * known
    true = F.one_hot(masks.clamp(min=0), scores.shape[1]).movedim(-1, 1) * known
    both = (share * true).flatten(2).sum(dim=2)
    either = share.flatten(2).sum(dim=2) + true.flatten(2).sum(dim=2)
    return (1 - (2 * both + 1) / (either + 1)).mean(dim=1)
