"""Every cell says of what class its pixels are."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Le, Len
from torch import Tensor, nn

from nca import (
    SILENT,
    Batch,
    Canvas,
    ClassColours,
    ClassShare,
    DataError,
    Display,
    Fault,
    HostRNG,
    OptionError,
    Prediction,
    Progress,
    Share,
    State,
    Task,
    TaskContext,
    display,
    per_cell,
    register,
)
from nca.metrics import wide
from nca.types import (
    Count,
    FilePath,
    Fraction,
    Name,
    NonNegative,
    PictureSide,
    Positive,
    RandomSeed,
    Size,
    Split,
)
from nca_plugins.augment import Augment
from nca_plugins.cells import class_picture, to_cells
from nca_plugins.pixels import Pixels
from nca_plugins.segmentation.drawing import NAMES, Blobs
from nca_plugins.segmentation.files import Pair, flat, pairs, read
from nca_plugins.segmentation.measures import (
    UNKNOWN,
    mask_rightness,
    pixel_cross_entropy,
    soft_dice,
)
from nca_plugins.segmentation.sources import SPLIT, Drawn, Folder, PictureSource, alike
from nca_plugins.segmentation.uncertainty import Opinion, predictions

BESIDE = "_mask"
"""What the name of a mask ends in that lies beside its picture."""

EXAMPLES = 6
"""Pictures that a page offers to choose from."""


@register.task("segmentation")
class Segmentation(Task):
    """Say of every pixel of a picture which class it shows.

    A cell sees `patch ** 2` pixels and says the class of each, through a linear read-out that all
    cells share. Without `images` the task draws its pictures: touching blobs in noise.

    Args:
        setting: The run that the task belongs to.
        images: A folder of pictures. They are held in memory, and may have any sizes.
        masks: A folder of their masks; the same folder unless named.
        suffix: What a mask's name has after that of its picture, before its ending: `_mask` where
            both are in one folder, and otherwise nothing, unless given.
        side: Pixels along the longer side beyond which pictures from files are shrunk to so many,
            and their masks alike; they are never mixed.
        classes: What there is to see, in the order of the masks' numbers.
        patch: Pixels along each side of a cell.
        image: The level that gets the picture, `patch ** 2` channels for grey ones, three times
            as many for colours; the bottom level unless named.
        read: The level that says the class; the top level unless named.
        normalise: Mean and standard deviation to shift and scale pixels of 0 to 1 by.
        overlap: Weight of 1 - Dice beside the cross-entropy.
        augment: How far training pictures, and their masks with them, may differ from the files.
        held_out: Share of the pictures from files to choose by, at least one.
        test: Share of the pictures from files to report on, at least one.
        whole: Whether each of these is one grid of its own size; otherwise they are cut into
            windows of the grid's size.
        noise: Standard deviation of the noise on drawn pictures.
        light: How far the light on drawn pictures departs from even.
        drawn_from: The random seed from which all drawn pictures follow; it is not the run's.
        trials: Drawn pictures to choose by, and as many again to report on.
    """

    headline = "Dice"
    better = "more"
    roles = ("input",)
    any_size = True

    def __init__(
        self,
        setting: TaskContext,
        *,
        images: FilePath | None = None,
        masks: FilePath | None = None,
        suffix: str | None = None,
        side: PictureSide | None = None,
        classes: Annotated[tuple[Name, ...], Len(2, 256)] = NAMES,
        patch: PictureSide = 1,
        image: str = "",
        read: str = "",
        normalise: tuple[float, Positive] = (0.5, 0.25),
        overlap: NonNegative = 0.0,
        augment: Augment | None = None,
        held_out: Fraction = 0.15,
        test: Fraction = 0.15,
        whole: bool = False,
        noise: NonNegative = 0.18,
        light: Fraction = 0.5,
        drawn_from: RandomSeed = 0,
        trials: Annotated[Count, Le(SPLIT)] = 200,
    ) -> None:
        super().__init__(setting)
        names = list(setting.layout)
        self.classes, self.patch, self.normalise = tuple(classes), patch, normalise
        self.image = setting.grid_level(image or names[0], "image")
        self.read = setting.grid_level(read or names[-1], "read")
        self.overlap, self.trials, self.augment = overlap, trials, augment
        self.images, self.masks, self.suffix, self.side = images, masks, suffix, side
        self.shares, self.whole = {"held_out": held_out, "test": test}, whole
        self.drawn = {"random_seed": drawn_from, "noise": noise, "light": light}
        self._check()
        self.head = nn.Linear(self.read.channels, len(self.classes) * patch**2)
        self.source: PictureSource | None = None

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Read the pictures and masks, or make ready to draw them.

        Raises:
            DataError: They do not match, or are too few.
            PictureError: One cannot be had.
        """
        if self.images is None:
            self.source = Drawn(Blobs(size=self.canvas, **self.drawn), self.trials, device)
            return
        found = read(self._pairs(), self.classes, self.rgb, progress, self.side)
        # the same pictures are set aside whatever the run's random seed
        order, splits = HostRNG(0, 0).order("held out", len(found)).tolist(), {}
        for split, share in self.shares.items():
            count = max(1, round(share * len(found)))
            splits[split], order = [found[n] for n in sorted(order[:count])], order[count:]
        splits["train"] = [found[number] for number in sorted(order)]
        if not order:
            kept = sum(len(part) for part in splits.values())
            raise DataError(
                f"of {len(found)} pictures, {kept} are set aside, and none is left to learn from.",
                where=str(self.images),
                to_do="give more pictures, or set less aside: task.held_out, task.test",
            )
        self.source = Folder(splits, self.canvas, self.patch, device)

    def check(self) -> None:
        """Refuse folders whose pictures and masks do not match."""
        if self.images is not None:
            self._pairs()

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return fresh states, each under a picture of its own."""
        assert self.source is not None
        pictures = self.source.training(draw, samples)
        if self.augment:
            pictures = alike(self.augment, pictures, len(self.classes), draw.cells(samples))
        return self._batch(*pictures, samples, draw.random_seed)

    def evaluation_batches(self, split: Split, batch: int) -> Iterator[Batch]:
        """Yield every picture of the split; their sample numbers count down from -1."""
        return self._batches(split, batch, self.whole)

    def first_evaluation_batch(self, split: Split, batch: int) -> Batch:
        """Return the first windows of a split, all of the grid's size."""
        found, count = [], 0
        for each in self._batches(split, batch, whole=False):
            found.append(each)
            count += each.state.batch
            if count >= batch:
                break
        return Batch.cat(found).select(slice(0, batch))

    def truth_ranges(self) -> dict[str, tuple[int, int]]:
        """Return which classes there are, and what stands for an unknown one."""
        return {"mask": (UNKNOWN, len(self.classes) - 1)}

    def scores(self, state: State) -> Tensor:
        """Return the class scores of every pixel, `(B, classes, height, width)`."""
        return F.pixel_shuffle(per_cell(self.head, state[self.read.name]), self.patch)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of the pixels and, weighed, 1 - Dice, each over the states."""
        masks = batch.truth["mask"]
        every = [self.scores(state) for state in states]
        terms = {
            "cross_entropy": torch.stack([pixel_cross_entropy(s, masks) for s in every]).mean(0)
        }
        if self.overlap:
            each = torch.stack([soft_dice(scores, masks) for scores in every])
            terms["overlap"] = self.overlap * each.mean(dim=0)
        return terms

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return Dice, IoU and pixel accuracy over all classes, and the Dice of each."""
        return mask_rightness(self.scores(state).argmax(dim=1), batch.truth["mask"], self.classes)

    def display(self) -> Display:
        """Return classes as colours, the level to draw on, and some pictures to report on."""
        size = self.context.size
        empty = self.context.layout.zeros(1, size, random_seed=self.context.random_seed)
        count, device = len(self.classes), self.head.weight.device
        # a cell shows the class that its pixels have the greatest mean score of
        weight = self.head.weight.detach().view(count, self.patch**2, -1).mean(dim=1)
        bias = self.head.bias.detach().view(count, self.patch**2).mean(dim=1)
        look = ClassColours(self.read.name, weight, bias, self.classes, self.colours, silent=0)
        return Display(
            self.pixels.darkened(empty.to(device)),
            look,
            self._drawing(),
            "Choose a picture, and see what its cells make of it.",
        )

    def picture(self, state: State) -> Tensor:
        """Return each cell in the colours of its pixels' classes, as strong as the picture."""
        chosen = self.scores(state).argmax(dim=1)
        seen = self.seen(state).mean(dim=1)
        return F.avg_pool2d(class_picture(chosen, seen, self.colours), self.patch)

    def targets(self, batch: Batch) -> Tensor:
        """Return the true masks as `picture` shows them; white where they are unknown."""
        masks, seen = batch.truth["mask"], self.seen(batch.state).mean(dim=1)
        shown = class_picture(masks.clamp(min=0), seen, self.colours)
        shown = torch.where((masks == UNKNOWN).unsqueeze(1), 1.0, shown)
        return F.avg_pool2d(shown, self.patch)

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Return the picture that the cells see, and the true mask."""
        seen = F.avg_pool2d(self.seen(batch.state), self.patch).clamp(0, 1)
        return {"image": seen.expand(-1, 3, -1, -1), "target": self.targets(batch)}

    def votes(self, batch: Batch) -> list[ClassShare]:
        """Return which share of the pixels each class takes."""
        chosen = self.scores(batch.state).argmax(dim=1).flatten(1)
        colours = self.colours.tolist()
        return [
            ClassShare(name, tuple(colours[number]), wide(chosen == number).mean(dim=1))
            for number, name in enumerate(self.classes)
        ]

    def seen(self, state: State) -> Tensor:
        """Return the pictures on the image level, `(B, C, height, width)`."""
        mean, deviation = self.normalise
        return F.pixel_shuffle(state[self.image.name], self.patch) * deviation + mean

    @property
    def rgb(self) -> bool:
        """Whether pictures have colours."""
        return self.image.channels == 3 * self.patch**2

    @property
    def colours(self) -> Tensor:
        """The colour of each class, `(K, 3)`; the first one is grey."""
        others = display.CLASS_COLOURS[[1, 0, *range(2, len(display.CLASS_COLOURS))]]
        repeats = -(-len(self.classes) // len(others))
        grey = torch.full((1, 3), 0.55)
        return torch.cat([grey, others.repeat(repeats, 1)])[: len(self.classes)]

    @property
    def pixels(self) -> Pixels:
        """How pictures lie in the level that gets them."""
        colours = 3 if self.rgb else 1
        return Pixels(self.image, self.patch, self.normalise, self.context.size, colours)

    @property
    def canvas(self) -> Size:
        """Height and width of the grid in pixels."""
        return self.pixels.canvas

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Lay a picture over the image; its mask is unknown from then on."""
        level = batch.state[self.image.name]
        colours = picture[:3] if self.rgb else picture[:3].mean(dim=0, keepdim=True)
        cover = picture[3:].expand_as(colours)
        cells, cover = (
            to_cells(part.unsqueeze(0).to(level), self.patch, tuple(level.shape[2:]))
            for part in (colours, cover)
        )
        laid = level * (1 - cover) + self.pixels.normalised(cells) * cover
        mask = torch.full_like(batch.truth["mask"], UNKNOWN)
        return Batch(batch.state.replace({self.image.name: laid}), {"mask": mask})

    def _batches(self, split: Split, batch: int, whole: bool) -> Iterator[Batch]:
        assert self.source is not None
        done = 0
        for images, masks in self.source.evaluation(split, batch, whole):
            samples = -1 - torch.arange(done, done + len(images), device=images.device)
            done += len(images)
            yield self._batch(images, masks, samples, self.context.random_seed)

    def _batch(self, images: Tensor, masks: Tensor, samples: Tensor, random_seed: int) -> Batch:
        size = tuple(side // self.patch for side in images.shape[2:])
        empty = self.context.layout.zeros(
            len(images), size, random_seed=random_seed, device=images.device
        )
        pixels = replace(self.pixels, size=size)
        state = pixels.laid(empty, pixels.cut(images)).replace(samples=samples)
        return Batch(state, {"mask": masks})

    def input_batch(self, pictures: Tensor) -> Batch:
        """Return first states on a grid as large as the pictures; their masks are unknown."""
        images = torch.stack([flat(picture, self.rgb) for picture in pictures])
        down, across = (-side % self.patch for side in images.shape[2:])
        images = F.pad(images, (0, across, 0, down), mode="replicate")
        masks = torch.full_like(images[:, 0], UNKNOWN, dtype=torch.int64)
        samples = -1 - torch.arange(len(images), device=images.device)
        return self._batch(images, masks, samples, self.context.random_seed)

    def predict(self, states: Sequence[State], batch: Batch) -> list[Prediction]:
        """Return masks, confidence and the spread over the rollouts; Dice where masks are known."""
        opinion = Opinion.of([self.scores(state) for state in states])
        seen = self.seen(batch.state).mean(dim=1)
        overlay = class_picture(opinion.chosen, seen, self.colours)
        return predictions(opinion, overlay, batch.truth["mask"], self.classes)

    def _pairs(self) -> list[Pair]:
        """Return the files of pictures and masks.

        Raises:
            DataError: The folders are out of reach, or do not match.
            PictureError: A folder is missing.
        """
        places = []
        for key, name in (("images", self.images), ("masks", self.masks)):
            folder = None if name is None else self.context.files.data_folder(name)
            if name is not None and folder is None:
                raise DataError(
                    f"the checkpoint names a folder, and does not bring it along: {name}.",
                    where=f"{self.context.files.label}, [task] {key}",
                    to_do=f"give it on the command line: --set task.{key}=FOLDER",
                )
            places.append(folder)
        images, masks = places
        suffix = self.suffix
        if suffix is None:
            suffix = BESIDE if masks is None or masks == images else ""
        return pairs(images, masks, suffix)

    def _drawing(self) -> Canvas:
        images, words = torch.zeros(0, self.pixels.colours, *self.canvas), []
        if self.source is not None:
            first = self.first_evaluation_batch("test", EXAMPLES).state
            images = self.seen(first).cpu().clamp(0, 1)
            words = [f"picture {number}" for number in range(1, len(images) + 1)]
        return self.pixels.drawing(images, words)

    def _check(self) -> None:
        """Refuse a grid or levels that no picture and no mask can do with."""
        size, patch, faults = self.context.size, self.patch, []
        if len(size) != 2:
            to_do = "pictures have two axes: [height, width]"
            faults.append(Fault(("grid", "size"), f"is {list(size)}", to_do, of_recipe=True))
        if self.read.name == self.image.name or self.read.input:
            to_do = "name a level that rules write to: [task] read"
            faults.append(Fault(("read",), f'is the input level "{self.read.name}"', to_do))
        if self.image.channels not in (patch**2, 3 * patch**2):
            words = f'does not fit the {self.image.channels} channels of level "{self.image.name}"'
            to_do = f"cells of {patch}x{patch} pixels take {patch**2} channels, colours three "
            faults.append(Fault(("patch",), words, f"{to_do}times as many"))
        if len({*self.classes}) < len(self.classes):
            faults.append(Fault(("classes",), "has a name twice", "give each its own name"))
        if self.images is None and (self.masks or self.suffix is not None or self.whole):
            named = "masks" if self.masks else "suffix" if self.suffix is not None else "whole"
            to_do = "name the folder of the pictures: task.images"
            faults.append(Fault((named,), "is given without images", to_do))
        if self.images is None and len(self.classes) != len(NAMES):
            words = f"are {len(self.classes)}, and drawn pictures show {len(NAMES)}"
            to_do = "name the folder of your pictures: task.images"
            faults.append(Fault(("classes",), words, to_do))
        if faults:
            raise OptionError(faults, "Segmentation(...)")
