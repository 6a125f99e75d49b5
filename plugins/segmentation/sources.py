"""Where pictures and their masks come from: drawn on the spot, or files.

Legend: B picture, C colour, H height, W width, in pixels.
"""

from collections.abc import Iterator
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from nca import HostRNG
from nca.types import Split
from nca_plugins.segmentation.drawing import Blobs

Pictures: TypeAlias = tuple[Tensor, Tensor]
"""Pictures, float32 `(B, C, H, W)` from 0 to 1, and masks, int64 `(B, H, W)`; -1: unknown."""

SPLIT = 1 << 24
"""Between the numbers of the drawn pictures of the splits."""


class Source(Protocol):
    """What a task takes its pictures from."""

    def training(self, draw: HostRNG, samples: Tensor) -> Pictures:
        """Return a picture of the grid's size for each sample number, `(B,)`."""
        ...

    def evaluation(self, split: Split, batch: int) -> Iterator[Pictures]:
        """Yield the pictures of a split, at most `batch` at once, those of a batch of one size."""
        ...


class Drawn:
    """Pictures of blobs, without end to learn from.

    Args:
        blobs: What draws them.
        trials: How many there are to choose by, and as many again to report on.
        device: Where they are made.
    """

    def __init__(self, blobs: Blobs, trials: int, device: torch.device) -> None:
        self.blobs, self.trials, self.device = blobs, trials, device

    def training(self, draw: HostRNG, samples: Tensor) -> Pictures:
        """Return the pictures of these numbers."""
        return self.blobs.draw(samples % SPLIT)

    def evaluation(self, split: Split, batch: int) -> Iterator[Pictures]:
        """Yield the pictures of a split."""
        first = {"train": 0, "held_out": SPLIT, "test": 2 * SPLIT}[split]
        for part in torch.arange(self.trials, device=self.device).split(batch):
            yield self.blobs.draw(first + part)
