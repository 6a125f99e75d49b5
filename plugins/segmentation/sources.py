"""Where pictures and their masks come from: drawn on the spot, or files.

Legend: B picture, C colour, H height, W width, in pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import CellRNG, HostRNG, to_device
from nca.types import Size, Split
from nca_plugins.augment import Augment
from nca_plugins.cells import epochs
from nca_plugins.segmentation.drawing import Blobs
from nca_plugins.segmentation.files import Example
from nca_plugins.segmentation.measures import UNKNOWN

Pictures: TypeAlias = tuple[Tensor, Tensor]
"""Pictures, float32 `(B, C, H, W)` from 0 to 1, and masks, int64 `(B, H, W)`; -1: unknown."""

SPLIT = 1 << 24
"""Between the numbers of the drawn pictures of the splits."""


class PictureSource(Protocol):
    """What a task takes its pictures from."""

    def training(self, draw: HostRNG, samples: Tensor) -> Pictures:
        """Return a picture of the grid's size for each sample number, `(B,)`."""
        ...

    def evaluation(self, split: Split, batch: int, whole: bool) -> Iterator[Pictures]:
        """Yield the pictures of a split, at most `batch` at once, those of a batch of one size.

        Args:
            split: Which of them.
            batch: At most so many at once.
            whole: Whether each is taken at its own size; otherwise in windows of the grid's size.
        """
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

    def evaluation(self, split: Split, batch: int, whole: bool) -> Iterator[Pictures]:
        """Yield the pictures of a split, which have the grid's size in any case."""
        first = {"train": 0, "held_out": SPLIT, "test": 2 * SPLIT}[split]
        for part in torch.arange(self.trials, device=self.device).split(batch):
            yield self.blobs.draw(first + part)


class Folder:
    """Pictures from files, all in memory, of any size.

    To learn from, each gives a window of the grid's size at a random place; to be measured, it is
    cut into such windows, in which every pixel counts once, or taken whole.

    Args:
        examples: The pictures of each split.
        size: Height and width of the grid, in pixels.
        patch: Pixels along each side of a cell.
        device: Where they are needed.
    """

    def __init__(
        self,
        examples: Mapping[Split, Sequence[Example]],
        size: Size,
        patch: int,
        device: torch.device,
    ) -> None:
        self.examples, self.size, self.patch, self.device = examples, size, patch, device

    def training(self, draw: HostRNG, samples: Tensor) -> Pictures:
        """Return a window for each sample number; each epoch has every picture once."""
        numbers = draw.host_samples(samples)
        index = epochs(draw.random_seed, numbers, len(self.examples["train"])).tolist()
        places = draw.cells(numbers).each("window", 2).tolist()
        found = []
        for number, place in zip(index, places, strict=True):
            example = self.examples["train"][number]
            room = [max(0, h - w) for h, w in zip(example.mask.shape, self.size, strict=True)]
            start = [int(share * (left + 1)) for share, left in zip(place, room, strict=True)]
            found.append(self._window(example, start[0], start[1]))
        return self._batch(found)

    def evaluation(self, split: Split, batch: int, whole: bool) -> Iterator[Pictures]:
        """Yield windows, or whole pictures of one size that follow each other."""
        waiting: list[Pictures] = []
        for each in self._each(split, whole):
            if waiting and (len(waiting) == batch or waiting[0][1].shape != each[1].shape):
                yield self._batch(waiting)
                waiting = []
            waiting.append(each)
        if waiting:
            yield self._batch(waiting)

    def _each(self, split: Split, whole: bool) -> Iterator[Pictures]:
        """Yield one picture after the other, `(C, H, W)` and `(H, W)`."""
        for example in self.examples[split]:
            if whole:
                yield _padded(example.image, example.masked, self.patch)
                continue
            for top, old_rows in _starts(example.mask.shape[0], self.size[0]):
                for left, old_columns in _starts(example.mask.shape[1], self.size[1]):
                    image, mask = self._window(example, top, left)
                    mask[:old_rows], mask[:, :old_columns] = UNKNOWN, UNKNOWN
                    yield image, mask

    def _window(self, example: Example, top: int, left: int) -> Pictures:
        """Return a window; a picture that is too small lies in its middle."""
        height, width = self.size
        part = slice(top, top + height), slice(left, left + width)
        image, mask = example.image[:, *part], example.masked[part]
        down, across = height - mask.shape[0], width - mask.shape[1]
        edges = across // 2, across - across // 2, down // 2, down - down // 2
        return F.pad(image, edges), F.pad(mask, edges, value=UNKNOWN)

    def _batch(self, found: Sequence[Pictures]) -> Pictures:
        images, masks = (
            to_device(torch.stack(part), self.device) for part in zip(*found, strict=True)
        )
        return images.float() / 255, masks


def alike(augment: Augment, pictures: Pictures, classes: int, source: CellRNG) -> Pictures:
    """Return pictures and masks, both changed in the same way; what comes from beside is unknown.

    Args:
        augment: How far they may differ.
        pictures: What they are.
        classes: How many there are.
        source: One draw for each picture.
    """
    images, masks = pictures
    each = F.one_hot(masks - UNKNOWN, classes + 1).movedim(-1, 1).to(images)
    return augment(images, source), augment(each, source).argmax(dim=1) + UNKNOWN


def _starts(side: int, window: int) -> Iterator[tuple[int, int]]:
    """Yield where windows begin along a side, and how much of each the one before has covered."""
    for start in range(0, max(side, 1), window):
        inside = max(0, min(start, side - window))
        yield inside, start - inside


def _padded(image: Tensor, mask: Tensor, patch: int) -> Pictures:
    """Return a picture whose sides cells divide, its last pixels repeated and unknown."""
    down, across = (-side % patch for side in mask.shape)
    image = F.pad(image.float().unsqueeze(0), (0, across, 0, down), mode="replicate").squeeze(0)
    return image.to(torch.uint8), F.pad(mask, (0, across, 0, down), value=UNKNOWN)
