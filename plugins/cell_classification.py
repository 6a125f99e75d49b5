"""Every cell must find out, by talking to its neighbours, which class the whole image is of.

The image lies in a level that holds the input; each cell says its class either in the last
channels of a level (Randazzo et al. 2020) or through a linear read-out that all cells share.
The image's class is the vote of its cells.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from nca import (
    TORUS,
    Batch,
    DataError,
    Dataset,
    Draw,
    Report,
    Setting,
    ShapeError,
    Share,
    State,
    Task,
    metrics,
    objectives,
    per_cell,
    register,
    registry,
)
from nca.palette import CLASSES, paint
from nca.types import Count, Fraction, Name, Natural, NonNegative, Split


@register.task("cell_classification")
class CellClassification(Task):
    """Classify images by the vote of their cells.

    Args:
        setting: The run that the task belongs to.
        dataset: Name of a registered data set.
        image: The level that gets the image; the bottom level unless named.
        read: The level that says the class; the top level unless named.
        patch: Pixels along each side of a cell; a cell gets `patch ** 2` numbers per colour.
        normalise: Mean and standard deviation to shift and scale pixels of 0 to 1 by.
        readout: `linear`: weights shared by all cells; `channels`: the level's last channels.
        objective: Cross-entropy, or the squared distance to the one-hot class: half its sum over
            each sample, or its mean.
        cells: Which cells the loss counts: all, those with ink, or those near to ink.
        near: How many cells reach from ink counts as near.
        ink: A cell is live where one of its pixels exceeds this share of white.
        held_out: Training images set aside to choose by.
        start: Upper bound of the uniform numbers that all other levels start from; 0: zeros.
    """

    headline = "vote"
    better = "more"

    def __init__(
        self,
        setting: Setting,
        *,
        dataset: Name,
        image: str = "",
        read: str = "",
        patch: Count = 1,
        normalise: tuple[float, float] = (0.0, 1.0),
        readout: Literal["linear", "channels"] = "linear",
        objective: Literal["cross_entropy", "squared", "mean_squared"] = "cross_entropy",
        cells: Literal["all", "live", "near"] = "all",
        near: Natural = 1,
        ink: Fraction = 0.1,
        held_out: Natural = 5000,
        start: NonNegative = 0.0,
    ) -> None:
        super().__init__(setting)
        self.dataset: Dataset = registry.get("dataset", dataset)()
        names = list(setting.layout)
        self.image = setting.layout[image or names[0]]
        self.read = setting.layout[read or names[-1]]
        self.patch, self.normalise, self.start = patch, normalise, start
        self.objective, self.cells, self.near, self.ink = objective, cells, near, ink
        if cells == "live":  # the others never learn, and as the majority they would win the vote
            self.headline = "vote of live cells"
        self.held_out = held_out
        classes = len(self.dataset.classes)
        self.classes = classes
        self.head = nn.Linear(self.read.channels, classes) if readout == "linear" else None
        if self.head is None and self.read.channels < classes:
            raise ShapeError(
                f'level "{self.read.name}" has {self.read.channels} channels, '
                f"too few for the {classes} classes of {dataset}.",
                where="[task] readout = 'channels'",
                to_do=f"give the level at least {classes} channels, or use readout = 'linear'",
            )
        self.images: dict[str, Tensor] = {}
        self.labels: dict[str, Tensor] = {}

    def prepare(
        self, device: torch.device, data: Path | None = None, report: Report | None = None
    ) -> None:
        """Load the data set onto the device and set some of its training images aside.

        Raises:
            DataError: The data set cannot be had.
            ShapeError: Its images do not fit the grid or the image level.
        """
        for split in ("train", "test"):
            loaded = self.dataset.load(split, data, report)
            images, labels = loaded.images.to(device), loaded.labels.to(device)
            if split == "train":
                # the same images are set aside whatever the run's random seed
                if self.held_out >= len(labels):
                    raise DataError(
                        f"{self.held_out} held-out images leave none of {len(labels)} to train on.",
                        where="[task] held_out",
                        to_do=f"hold out fewer than {len(labels)}",
                    )
                order = Draw(0, 0).order("held out", len(labels)).to(device)
                parts = {"held_out": order[: self.held_out], "train": order[self.held_out :]}
                for part, index in parts.items():
                    self.images[part], self.labels[part] = images[index], labels[index]
            else:
                self.images[split], self.labels[split] = images, labels
        self._fit(self.images["train"][:1])

    def draw(self, draw: Draw, samples: Tensor) -> Batch:
        """Return fresh states; a sample's number says its epoch and its place in it."""
        count = len(self.labels["train"])
        epochs, places = samples // count, samples % count
        index = torch.empty_like(samples)
        for epoch in epochs.unique().tolist():
            order = _epoch(draw.random_seed, epoch, count).to(samples.device)
            index = torch.where(epochs == epoch, order[places], index)
        return self._batch("train", index, samples, draw.random_seed)

    def trials(self, split: Split, batch: int) -> Iterator[Batch]:
        """Yield every image of the split; their sample numbers count down from -1."""
        labels = self.labels[split]
        for start in range(0, len(labels), batch):
            index = torch.arange(start, min(start + batch, len(labels)), device=labels.device)
            yield self._batch(split, index, -1 - index, self.setting.random_seed)

    def scores(self, state: State) -> Tensor:
        """Return the class scores of every cell, `(B, classes, *space)`."""
        level = state[self.read.name]
        if self.head is None:
            return level.narrow(1, level.shape[1] - self.classes, self.classes)
        return per_cell(self.head, level)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the objective over the cells that count, averaged over the states."""
        labels, live = batch.truth["label"], batch.truth["live"]
        mask = {"all": None, "live": live, "near": self._near(live)}[self.cells]
        total = torch.zeros(len(labels), device=labels.device)
        for state in states:
            scores = self.scores(state)
            if self.objective == "cross_entropy":
                total = total + objectives.cross_entropy(scores, labels, mask)
            else:
                error = objectives.one_hot_error(scores.float(), labels, mask)
                half_sum = self.objective == "squared"
                summed = error.flatten(1).sum(dim=1) / 2
                mean = objectives.masked_mean(error / self.classes, mask)
                total = total + (summed if half_sum else mean)
        return {self.objective: total / len(states)}

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return vote, live vote, cell accuracies and total agreement of the live cells."""
        labels, live = batch.truth["label"], batch.truth["live"]
        scores = self.scores(state)
        return {
            "vote": metrics.vote_accuracy(scores, labels),
            "vote of live cells": metrics.vote_accuracy(scores, labels, live),
            "cells right": metrics.cell_accuracy(scores, labels),
            "live cells right": metrics.cell_accuracy(scores, labels, live),
            "total agreement": metrics.total_agreement(scores, live),
        }

    def picture(self, state: State) -> Tensor:
        """Return each cell in the colour of its class, as bright as its ink."""
        mean, deviation = self.normalise
        image = state[self.image.name].amax(dim=1) * deviation + mean  # (B, H, W)
        chosen = self.scores(state).argmax(dim=1)
        strength = 0.25 + 0.75 * image.clamp(0, 1)
        return paint(chosen, CLASSES) * strength.unsqueeze(1) + (1 - strength).unsqueeze(1)

    def _batch(self, split: Split, index: Tensor, samples: Tensor, random_seed: int) -> Batch:
        pixels = self._cells(self.images[split][index].float() / 255)
        live = pixels.amax(dim=1) > self.ink
        mean, deviation = self.normalise
        pixels = (pixels - mean) / deviation
        repeats = self.image.channels // pixels.shape[1]
        empty = self.setting.layout.zeros(
            len(index), self.setting.size, random_seed=random_seed, device=index.device
        )
        state = empty.replace({self.image.name: pixels.repeat(1, repeats, 1, 1)}, samples=samples)
        if self.start:
            state = state.replace(
                {
                    name: self.start * state.source.uniform(f"start/{name}", level.channels, size)
                    for name, level in self.setting.layout.items()
                    for size in [state.size(name)]
                    if name != self.image.name
                }
            )
        return Batch(state, {"label": self.labels[split][index], "live": live})

    def _cells(self, images: Tensor) -> Tensor:
        """Cut images into cells and set them into the middle of the grid."""
        side = self.patch
        cells = rearrange(images, "b c (h i) (w j) -> b (c i j) h w", i=side, j=side)
        margins = []
        for have, want in zip(cells.shape[:1:-1], self.setting.size[::-1], strict=True):
            margins += [(want - have) // 2, want - have - (want - have) // 2]
        return nn.functional.pad(cells, margins) if any(margins) else cells

    def _near(self, live: Tensor) -> Tensor:
        return TORUS.maximum(live.unsqueeze(1).float(), self.near).squeeze(1) > 0

    def _fit(self, image: Tensor) -> None:
        _, colours, height, width = image.shape
        channels = colours * self.patch**2
        fits = (
            len(self.setting.size) == 2
            and height % self.patch == width % self.patch == 0
            and height // self.patch <= self.setting.size[0]
            and width // self.patch <= self.setting.size[1]
            and self.image.channels % channels == 0
        )
        if not fits:
            raise ShapeError(
                f"images of {height}x{width} pixels do not fit a grid of {self.setting.size} "
                f'cells with {self.image.channels} channels at level "{self.image.name}".',
                where=f"[task] patch = {self.patch}, [grid] size, [[levels]] channels",
                to_do=f"with patch = {self.patch}, a grid of at least "
                f"[{height // self.patch}, {width // self.patch}] cells and {channels} channels "
                "(or a multiple) at that level",
            )


@lru_cache(maxsize=4)
def _epoch(random_seed: int, epoch: int, count: int) -> Tensor:
    return Draw(random_seed, epoch).order("epoch", count)
