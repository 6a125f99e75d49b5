"""How sure masks are: the spread over rollouts with other fire masks, and whether it tells errors.

Legend: B sample, K class, H height, W width, in pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nca import Prediction, Share, analysis
from nca.metrics import wide
from nca_plugins.segmentation.measures import UNKNOWN, mask_rightness


@dataclass(frozen=True)
class Opinion:
    """What several rollouts, each with fire masks of its own, say of the same pictures.

    Attributes:
        chance: The mean probability of each class, `(B, K, H, W)`.
        chosen: The class of the greatest, int64 `(B, H, W)`.
        spread: Standard deviation, over the rollouts, of the probability of the class that is
            chosen, from 0 to 0.5, `(B, H, W)`.
    """

    chance: Tensor
    chosen: Tensor
    spread: Tensor

    @classmethod
    def of(cls, every: Sequence[Tensor]) -> "Opinion":
        """Return what the scores `(B, K, H, W)` of each rollout amount to."""
        first = torch.softmax(every[0].float(), dim=1)
        # counted from the first: rollouts that are alike have no spread at all
        mean, square = torch.zeros_like(first), torch.zeros_like(first)
        for scores in every:
            away = torch.softmax(scores.float(), dim=1) - first
            mean, square = mean + away / len(every), square + away.square() / len(every)
        chosen = (first + mean).argmax(dim=1, keepdim=True)
        variance = square.gather(1, chosen) - mean.gather(1, chosen).square()
        return cls(first + mean, chosen.squeeze(1), variance.clamp(min=0).sqrt().squeeze(1))

    def values(self, sample: int, names: Sequence[str]) -> dict[str, float | dict[str, float]]:
        """Return what stands in the table of one sample: confidence, spread, shares."""
        chosen = self.chosen[sample]
        shares = {name: wide(chosen == k).mean().item() for k, name in enumerate(names)}
        return {
            "confidence": wide(self.chance[sample].amax(dim=0)).mean().item(),
            "spread": wide(self.spread[sample]).mean().item(),
            "share": shares,
        }

    def judged(self, sample: int, mask: Tensor, names: Sequence[str]) -> dict[str, float]:
        """Return how right it is of one sample, and whether the spread tells where it is wrong.

        Args:
            sample: Its place.
            mask: The true classes, int64 `(H, W)`; -1: unknown.
            names: The classes.
        """
        known = mask != UNKNOWN
        spread = self.spread[sample][known].unsqueeze(0)
        wrong = wide((self.chosen[sample] != mask)[known]).unsqueeze(0)
        shares = mask_rightness(self.chosen[sample, None], mask[None], names)
        half, whole = analysis.risk_at(spread, wrong, (0.5, 1.0))[0].tolist()
        return {
            **{k: _ratio(shares[k]) for k in ("Dice", "IoU")},
            "pixels wrong": whole,
            "wrong in the surer half": half,
            "spread with error": analysis.error_correlation(spread, wrong).item(),
        }


def predictions(
    opinion: Opinion, overlay: Tensor, masks: Tensor, names: Sequence[str]
) -> list[Prediction]:
    """Return what is said of each sample, judged where its mask is known.

    Args:
        opinion: Of several rollouts.
        overlay: Masks in colours over the pictures, `(B, 3, H, W)`, from 0 to 1.
        masks: The true classes, int64 `(B, H, W)`; -1: unknown.
        names: The classes.
    """
    # masks of two classes can be seen; of more, the numbers are what programs want
    factor = 255 if len(names) == 2 else 1
    found = []
    for sample, mask in enumerate(masks):
        values = opinion.values(sample, names)
        error = None
        if (mask != UNKNOWN).any():
            judged = opinion.judged(sample, mask, names)
            error = judged["pixels wrong"]
            values |= judged
        spread = (opinion.spread[sample] * 2 * 255).round().clamp(0, 255)
        pictures = {
            "mask": (opinion.chosen[sample] * factor).to(torch.uint8).unsqueeze(0),
            "overlay": (overlay[sample].clamp(0, 1) * 255).round().to(torch.uint8),
            "spread": spread.to(torch.uint8).unsqueeze(0),
        }
        sure = values["spread"]
        assert isinstance(sure, float)
        found.append(Prediction(values, pictures, uncertainty=sure, error=error))
    return found


def _ratio(share: Share) -> float:
    whole = share.whole.item()
    return share.part.item() / whole if whole else math.nan
