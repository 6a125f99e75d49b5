"""Every cell names the class of the whole image, which it can only learn from its neighbours.

    nca run glom_mnist                              four levels over 2x2 pixels per cell
    nca play self_classifying_mnist_long            draw a digit
    nca evaluate self_classifying_mnist_small

The image lies in a level that holds the input; each cell says its class either in the last
channels of a level (Randazzo et al. 2020) or through a linear read-out that all cells share.
Where that level is a coarse one (`[[levels]] scale`), each of its cells speaks for all that it
spans. The image's class is the vote of its cells. What was measured, `nca recipes show
self_classifying_mnist_long` says: most cells of a digit are right, yet few digits agree as a whole.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from nca import (
    SILENT,
    TORUS,
    Batch,
    Canvas,
    ClassColours,
    ClassShare,
    Display,
    Fault,
    HostRNG,
    InitialState,
    InitialStateSpec,
    OptionError,
    Progress,
    Share,
    State,
    Task,
    TaskContext,
    display,
    losses,
    metrics,
    on_grid,
    per_cell,
    register,
    to_device,
)
from nca.data import NamedDataset
from nca.metrics import on_host
from nca.types import DatasetSpec, Fraction, Natural, PictureSide, Positive, Radius, Size, Split
from nca_plugins.augment import Augment
from nca_plugins.cells import class_picture, epochs
from nca_plugins.pixels import Pixels, pixel_moments

MOST_HELD_OUT, HELD_OUT_OF = 5000, 5
"""Unless a recipe says how many training images are set aside: one of five, but no more than so."""


@register.task("cell_classification")
class CellClassification(Task):
    """Classify images by the vote of their cells.

    Args:
        setting: The run that the task belongs to.
        dataset: Name of a registered data set, or a table of its name and options.
        image: The level that gets the image; the bottom level unless named.
        read: The level that says the class; the top level unless named.
        patch: Pixels along each side of a cell; a cell gets `patch ** 2` numbers per colour.
        normalise: Mean and standard deviation to shift and scale pixels of 0 to 1 by, or
            `measured`: those of the images to train on.
        readout: `linear`: weights shared by all cells; `channels`: the level's last channels.
        objective: Cross-entropy, or the squared distance to the one-hot class: half its sum over
            each sample, or its mean.
        label_smoothing: The share of the cross-entropy's target that all classes get alike; above
            0 the best scores are finite, so that cells need not grow for ever.
        cells: Which cells the loss counts: all, those with ink, or those near to ink.
        near: How many cells reach from ink counts as near.
        ink: A cell is live where one of its pixels exceeds this share of white.
        held_out: Training images set aside to choose by; a fifth of them unless said, at most 5000.
        start: What all other levels start from.
        augment: How far a training picture may differ from the one in the data set.
    """

    headline = "vote"
    better = "more"
    roles = ("input",)
    derived_buffers: ClassVar = {"measured": ("normalise",)}

    measured: Tensor

    def __init__(
        self,
        setting: TaskContext,
        *,
        dataset: DatasetSpec,
        image: str = "",
        read: str = "",
        patch: PictureSide = 1,
        normalise: tuple[float, Positive] | Literal["measured"] = (0.0, 1.0),
        readout: Literal["linear", "channels"] = "linear",
        objective: Literal["cross_entropy", "squared", "mean_squared"] = "cross_entropy",
        label_smoothing: Fraction = 0.0,
        cells: Literal["all", "live", "near"] = "all",
        near: Radius = 1,
        ink: Fraction = 0.1,
        held_out: Natural | None = None,
        start: InitialStateSpec = InitialStateSpec(),  # noqa: B008, it is frozen
        augment: Augment | None = None,
    ) -> None:
        super().__init__(setting)
        self.data = NamedDataset(dataset, "dataset", setting.files)
        self.dataset = self.data.dataset
        names = list(setting.layout)
        self.image = setting.grid_level(image or names[0], "image")
        self.read = setting.layout[read or names[-1]]
        self.patch, self._normalise = patch, normalise
        if normalise == "measured":  # part of the checkpoint: that file alone needs no data
            self.register_buffer("measured", torch.zeros(2))
        self.objective, self.label_smoothing = objective, label_smoothing
        self.cells, self.near, self.ink = cells, near, ink
        if cells == "live":  # the others never learn, and as the majority they would win the vote
            self.headline = "vote of live cells"
        self.held_out, self.augment = held_out, augment
        others = [name for name in names if name != self.image.name]
        self.first = InitialState(setting.layout, start, others)
        classes = len(self.data.classes)
        self.classes = classes
        self.head = nn.Linear(self.read.channels, classes) if readout == "linear" else None
        if self.head is None and self.read.channels < classes:
            words = f'is "channels", and level "{self.read.name}" has {self.read.channels}'
            to_do = f'the {classes} classes of {self.data.name} need as many channels, or "linear"'
            raise OptionError([Fault(("readout",), words, to_do)], "CellClassification(...)")
        self.images: dict[str, Tensor] = {}
        self.labels: dict[str, Tensor] = {}
        self._check()

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Load the data set onto the device and set some of its training images aside.

        Raises:
            DataError: The data set cannot be had, or a split of it holds no image.
            OptionError: Its images do not fit the grid or the image level, or are too few.
        """
        for split in ("train", "test"):
            loaded = self.data.load(split, data, progress)
            images, labels = loaded.images.to(device), loaded.labels.to(device)
            if not len(labels):
                raise self.no_samples(split)
            if split == "train":
                # the same images are set aside whatever the run's random seed
                count = self._checked_count(images)
                order = HostRNG(0, 0).order("held out", len(labels)).to(device)
                parts = {"held_out": order[:count], "train": order[count:]}
                for part, index in parts.items():
                    self.images[part], self.labels[part] = images[index], labels[index]
                self._measure()
            else:
                self.images[split], self.labels[split] = images, labels

    def hold_data(self, hold: Callable[[Tensor], Tensor]) -> None:
        """Hold the images."""
        self.images = {split: hold(images) for split, images in self.images.items()}

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return fresh states; a sample's number says its epoch and its place in it."""
        numbers = draw.host_samples(samples)
        index = epochs(draw.random_seed, numbers, len(self.labels["train"]))
        return self._batch("train", to_device(index, samples.device), samples, draw)

    def evaluation_count(self, split: Split) -> int:
        """Return how many images a split has."""
        return len(self.labels[split])

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return images of a split; their sample numbers count down from -1."""
        index = index.to(self.labels[split].device)
        return self._batch(split, index, -1 - index)

    def truth_ranges(self) -> dict[str, tuple[int, int]]:
        """Return which labels there are."""
        return {"label": (0, self.classes - 1)}

    def scores(self, state: State) -> Tensor:
        """Return the class scores of every cell of the grid, `(B, classes, *space)`.

        The cells that a coarser one spans all say what that says.
        """
        level = state[self.read.name]
        if self.head is None:
            scores = level.narrow(1, level.shape[1] - self.classes, self.classes)
        else:
            scores = per_cell(self.head, level)
        return on_grid(scores, self.read.scale)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the objective over the cells that count, averaged over the states."""
        labels, live = batch.truth["label"], batch.truth["live"]
        mask = {"all": None, "live": live, "near": self._near(live)}[self.cells]
        total = torch.zeros(len(labels), device=labels.device)
        for state in states:
            scores = self.scores(state)
            if self.objective == "cross_entropy":
                total = total + losses.cross_entropy(
                    scores, labels, mask, label_smoothing=self.label_smoothing
                )
            else:
                error = losses.one_hot_error(losses.at_least_float32(scores), labels, mask)
                half_sum = self.objective == "squared"
                summed = error.flatten(1).sum(dim=1) / 2
                mean = losses.masked_mean(error / self.classes, mask)
                total = total + (summed if half_sum else mean)
        return {self.objective: total / len(states)}

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return vote, live vote, cell accuracies and total agreement of the live cells."""
        labels, live = batch.truth["label"], batch.truth["live"]
        scores = self.scores(state)
        right = {
            "vote": metrics.vote_accuracy(scores, labels),
            "vote of live cells": metrics.vote_accuracy(scores, labels, live),
            "cells right": metrics.cell_accuracy(scores, labels),
            "live cells right": metrics.cell_accuracy(scores, labels, live),
        }
        known = on_host(labels >= 0)  # what a person draws has no known class
        judged = {name: Share(s.part * known, s.whole * known) for name, s in right.items()}
        return judged | {"total agreement": metrics.total_agreement(scores, live)}

    def categories(self, batch: Batch) -> dict[str, Tensor]:
        """Return the class of the image at every cell with ink, counted from 1."""
        labels, live = batch.truth["label"], batch.truth["live"]
        return {"class": (labels + 1).view(-1, *[1] * (live.ndim - 1)) * live}

    def display(self) -> Display:
        """Return classes as colours, the image level to draw on, and, if loaded, test images."""
        empty = self.context.layout.zeros(
            1, self.context.size, random_seed=self.context.random_seed, device=self._device
        )
        first = self.first(self.pixels.darkened(empty))
        level = torch.eye(self.read.channels, device=self._device)[-self.classes :]
        head = self.head
        look = ClassColours(
            self.read.name,
            level if head is None else head.weight,
            torch.zeros(self.classes) if head is None else head.bias,
            self.data.classes,
            display.class_colours(self.classes),
            "inked" if self.cells == "live" else "all",
            self.ink,
        )
        hint = "Draw, and see what the cells make of it."
        return Display(first, look, self._drawing(), hint)

    def picture(self, state: State) -> Tensor:
        """Return each cell in the colour of its class, as bright as its ink.

        Where live cells alone count, the others are white.
        """
        ink = self.pixels.ink(state)  # (B, H, W)
        chosen = self.scores(state).argmax(dim=1)
        shown = class_picture(chosen, ink, display.class_colours(self.classes))
        if self.cells == "live":
            shown = torch.where((ink > self.ink).unsqueeze(1), shown, 1.0)
        return shown

    def votes(self, batch: Batch) -> list[ClassShare]:
        """Return the share of each class among the cells that count for the headline."""
        chosen = self.scores(batch.state).argmax(dim=1)  # (B, H, W)
        voters = torch.ones_like(chosen, dtype=torch.bool)
        if self.cells == "live":
            voters = self._live(batch)
        total = voters.flatten(1).sum(dim=1).clamp(min=1)
        shares = [
            ((chosen == k) & voters).flatten(1).sum(dim=1) / total for k in range(self.classes)
        ]
        colours = [tuple(row) for row in display.class_colours(self.classes).tolist()]
        return [ClassShare(*row) for row in zip(self.data.classes, colours, shares, strict=True)]

    def true_classes(self, batch: Batch) -> Tensor:
        """Return the label of each image; -1 where it is not known, as of what one has drawn."""
        if "label" in batch.truth:
            return batch.truth["label"]
        return torch.full((batch.state.batch,), -1, device=batch.state.samples.device)

    @property
    def pixels(self) -> Pixels:
        """How pictures lie in the level that gets them."""
        size, colours = self.context.size, self.data.channels
        return Pixels(self.image, self.patch, self.normalise, size, colours)

    @property
    def normalise(self) -> tuple[float, float]:
        """Mean and standard deviation of pixels, as given or as measured."""
        if not isinstance(self._normalise, str):
            return self._normalise
        mean, deviation = self.measured.tolist()
        return (mean, deviation) if deviation else (0.0, 1.0)

    @property
    def canvas(self) -> Size:
        """Height and width of the grid in pixels."""
        return self.pixels.canvas

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Lay a picture over the image; its class is unknown from then on."""
        state = self.pixels.covered(batch.state, picture)
        label = torch.full((state.batch,), -1, device=state.samples.device)
        return Batch(state, {"label": label, "live": self.pixels.ink(state) > self.ink})

    def _batch(
        self, split: Split, index: Tensor, samples: Tensor, draw: HostRNG | None = None
    ) -> Batch:
        images = self.images[split][index].float() / 255
        if self.augment and draw:
            images = self.augment(images, draw.cells(samples))
        cells = self.pixels.cut(images)
        random_seed = draw.random_seed if draw else self.context.random_seed
        live = cells.amax(dim=1) > self.ink
        empty = self.context.layout.zeros(
            len(index), self.context.size, random_seed=random_seed, device=index.device
        )
        state = self.first(self.pixels.laid(empty, cells).replace(samples=samples))
        return Batch(state, {"label": self.labels[split][index], "live": live})

    def _checked_count(self, images: Tensor) -> int:
        """Return how many training images are set aside.

        Raises:
            OptionError: They do not fit, or none is left to train on.
        """
        faults = [*self.pixels.misfits(tuple(images.shape[1:]), "dataset")]
        count = self.held_out
        if count is None:
            count = min(MOST_HELD_OUT, max(len(images) // HELD_OUT_OF, 1))
        if count >= len(images):
            words = f"is {count}, and leaves none of {len(images)} images to train on"
            faults.append(Fault(("held_out",), words, f"hold out fewer than {len(images)}"))
        if faults:
            raise OptionError(faults, "CellClassification.prepare(...)")
        return count

    def _measure(self) -> None:
        """Measure the images to train on, unless a checkpoint has brought what was measured."""
        if self._normalise != "measured" or self.measured[1]:
            return
        self.measured.copy_(pixel_moments(self.images["train"]))

    def _check(self) -> None:
        """Refuse a grid or level that no picture and no vote can do with."""
        size, faults = self.context.size, []
        if len(size) != 2:
            to_do = "pictures have two axes: [height, width]"
            faults.append(Fault(("grid", "size"), f"is {list(size)}", to_do, of_recipe=True))
        if self.near > max(size):
            to_do = f"the grid has {max(size)} cells along its longest side"
            faults.append(Fault(("near",), f"is {self.near}", to_do))
        if self.label_smoothing and self.objective != "cross_entropy":
            words, to_do = f"is {self.label_smoothing:g}", 'it goes with objective "cross_entropy"'
            faults.append(Fault(("label_smoothing",), words, to_do))
        if self.read.name == self.image.name or self.read.input:
            to_do = "name a level that rules write to: [task] read"
            faults.append(Fault(("read",), f'is the input level "{self.read.name}"', to_do))
        needed = self.patch**2 * self.data.channels
        if self.image.channels % needed:
            each = f", {self.data.channels} numbers each" if self.data.channels > 1 else ""
            pixels = f"the {self.patch**2} pixels that a cell gets{each}"
            to_do = f"a multiple of {pixels}, at that level"
            words = f'does not fit the {self.image.channels} channels of level "{self.image.name}"'
            faults.append(Fault(("patch",), words, to_do))
        if faults:
            raise OptionError(faults, "CellClassification(...)")

    @property
    def _device(self) -> torch.device:
        given = next(iter(self.parameters()), torch.empty(0))
        return given.device

    def _drawing(self) -> Canvas:
        """Return the image level with the first test image of each class, if they are loaded."""
        images, words = torch.zeros(0, self.data.channels, *self.canvas), []
        if "test" in self.images:
            labels = self.labels["test"].cpu()
            firsts = [int((labels == k).int().argmax()) for k in labels.unique().tolist()]
            images = self.images["test"].cpu()[firsts].float() / 255
            words = [self.data.classes[int(labels[n])] for n in firsts]
        return self.pixels.drawing(images, words)

    def _live(self, batch: Batch) -> Tensor:
        """Return which cells have ink, also of a state whose truth is unknown."""
        if "live" in batch.truth:
            return batch.truth["live"]
        return self.pixels.ink(batch.state) > self.ink

    def _near(self, live: Tensor) -> Tensor:
        return TORUS.maximum(live.unsqueeze(1).float(), self.near).squeeze(1) > 0
