"""Every cell must find out which whole it is part of; nothing in the loss speaks of parts.

The scene lies in a level that holds the input. At the level that is read, each cell with ink
says the class of its whole, and all others that they are background. What the cells hold at the
levels below is left to them: whether it falls into parts can be measured by the scenes' truth,
which no term of the loss ever sees.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from nca import (
    SILENT,
    Batch,
    CellRNG,
    ClassColours,
    ClassShare,
    Display,
    Fault,
    HostRNG,
    OptionError,
    Progress,
    Share,
    State,
    Task,
    TaskContext,
    register,
    to_device,
)
from nca.metrics import wide
from nca.types import (
    Count,
    Fraction,
    Name,
    NonNegative,
    PictureSide,
    Positive,
    RandomSeed,
    Size,
    Split,
)
from nca_plugins.cells import class_picture, discs, epochs
from nca_plugins.part_whole.drawing import noise as noise_of
from nca_plugins.part_whole.drawing import type_of
from nca_plugins.part_whole.gallery import Gallery
from nca_plugins.part_whole.measures import rightness
from nca_plugins.part_whole.scenes import CLASSES, MOST, PARTS, Settings, Shift, ordered_pair
from nca_plugins.part_whole.terms import (
    Agreement,
    Filling,
    Naming,
    Touching,
    averaged,
    colours,
    ink_between,
)
from nca_plugins.part_whole.truth import truth_of
from nca_plugins.pixels import Pixels

SPLIT = 1 << 24
"""Between the scene numbers of the splits."""

EXAMPLES = 10
"""Scenes that a page offers to choose from."""

NAMES = ("background", *(f"whole {number}" for number in range(1, CLASSES + 1)))
"""What there is to say of a cell."""

EMPTIED = -1.0
"""What an emptied pixel holds; no pixel is that dark, so that none is taken for background."""


@register.task("part_whole")
class PartWhole(Task):
    """Name the whole that each cell is part of, in scenes of ellipses.

    Args:
        setting: The run that the task belongs to.
        side: Pixels along each side of a scene.
        patch: Pixels along each side of a cell; a cell gets `patch ** 2` numbers.
        image: The level that gets the scene; the bottom level unless named.
        read: The level that says the class; the top level unless named.
        drawn_from: The random seed from which all scenes follow. It is not the run's, so that runs
            of several random seeds learn from the same scenes, as from a data set in a file.
        scenes: How many there are to learn from.
        trials: How many more there are to choose by, and as many again to report on.
        wholes: The least and the greatest number of wholes in a scene.
        rotation: The least and the greatest turn of a whole to either side, in radians.
        ambiguity: How much axes and angles of the parts stray.
        removal: Chance that a whole lacks a part.
        noise: Standard deviation of the noise on every pixel.
        normalise: Mean and standard deviation to shift and scale pixels of 0 to 1 by.
        shift: How the scenes to report on differ from those to learn from: turned further, three
            wholes, parts that stray, or noise.
        naming: Weight of the class at the level that is read.
        deep: Weight of the class at other levels, by name.
        masked: Share of every scene that is emptied in training, by discs.
        disc: Radius of these discs, in cells.
        fill: Weight of telling all pixels of each cell, emptied ones too.
        fill_level: The level that they are read from; the lowest above the image unless named.
        agreement: Weight of telling a level's embeddings from those of the levels beside it.
        agreement_level: That level; the one below `read` unless named.
        temperature: Divides the cosines of agreement.
        strangers: Whom embeddings must differ from: all other places, or other images alone.
        touching: Weight of agreement between cells with ink that touch, against those of the same
            image that lie apart.
        touching_level: The level that it is asked of; the one below `read` unless named.
        apart: How many cells along an axis that is.
    """

    headline = "wholes right"
    better = "more"
    roles = ("input",)

    def __init__(
        self,
        setting: TaskContext,
        *,
        side: PictureSide = 32,
        patch: PictureSide = 1,
        image: str = "",
        read: str = "",
        drawn_from: RandomSeed = 0,
        scenes: Annotated[Count, Le(SPLIT)] = 20000,
        trials: Annotated[Count, Le(SPLIT)] = 2000,
        wholes: tuple[
            Annotated[int, Ge(1), Le(MOST)],
            Annotated[int, Ge(1), Le(MOST)],
        ] = (1, 2),
        rotation: tuple[NonNegative, NonNegative] = (0.0, math.pi / 6),
        ambiguity: NonNegative = 0.0,
        removal: Fraction = 0.0,
        noise: NonNegative = 0.0,
        normalise: tuple[float, Positive] = (0.0, 1.0),
        shift: Shift = "none",
        naming: Positive = 1.0,
        deep: dict[Name, Positive] | None = None,
        masked: Annotated[float, Ge(0), Le(0.9)] = 0.0,
        disc: Annotated[float, Ge(0.5)] = 2.0,
        fill: NonNegative = 0.0,
        fill_level: str = "",
        agreement: NonNegative = 0.0,
        agreement_level: str = "",
        temperature: Positive = 0.1,
        strangers: Literal["places", "images"] = "places",
        touching: NonNegative = 0.0,
        touching_level: str = "",
        apart: Annotated[Count, Ge(2)] = 3,
    ) -> None:
        super().__init__(setting)
        layout, names = setting.layout, list(setting.layout)
        self.image = setting.grid_level(image or names[0], "image")
        self.deep_weights = deep or {}
        self.patch, self.normalise, self.counts = patch, normalise, (scenes, trials)
        written = [name for name in names if not layout[name].input and name != self.image.name]
        self._check(read or names[-1], written, side)
        settings = Settings(
            side=side,
            wholes=ordered_pair("wholes", wholes),
            rotation=ordered_pair("rotation", rotation),
            ambiguity=ambiguity,
            removal=removal,
            noise=noise,
        )
        self.settings = {"train": settings, "held_out": settings, "test": settings.shifted(shift)}
        self.drawn_from, self.masked, self.disc = drawn_from, masked, disc
        self.weights = {"naming": naming, "fill": fill, "agreement": agreement}
        self.naming = Naming(layout[read or names[-1]], CLASSES + 1)
        self.deep = nn.ModuleDict({n: Naming(layout[n], CLASSES + 1) for n in self.deep_weights})
        self.filling = (
            Filling(setting.grid_level(fill_level or written[0], "fill_level"), patch**2)
            if fill
            else None
        )
        self.agreement = None
        if agreement:
            self.agreement = Agreement(
                [layout[name] for name in written],
                agreement_level or _below(self.naming.level, written),
                temperature=temperature,
                among_images=strangers == "images",
            )
        self.weights["touching"] = touching
        self.touching = None
        if touching:
            level = layout[touching_level or _below(self.naming.level, written)]
            self.touching = Touching(level, temperature=temperature, apart=apart)
        self.galleries: dict[str, Gallery] = {}

    def _check(self, read: str, written: Sequence[str], side: int) -> None:
        """Refuse scenes that do not fit, and levels to read from that no rule writes to."""
        to_do = f"name a level that rules write to: {', '.join(written) or 'add one'}"
        faults = [*self.pixels.misfits((1, side, side), "side")]
        if read not in written:
            faults.append(Fault(("read",), f'is "{read}"', to_do))
        faults += [
            Fault(("deep", name), "is no such level", to_do)
            for name in self.deep_weights
            if name not in written
        ]
        if faults:
            raise OptionError(faults, "PartWhole(...)")

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Make room for the scenes; each is drawn when it is first asked for."""
        scenes, trials = self.counts
        counts = {"train": scenes, "held_out": trials, "test": trials}
        self.galleries = {
            split: Gallery(self.settings[split], self.drawn_from, number * SPLIT, count, device)
            for number, (split, count) in enumerate(counts.items())
        }

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return fresh states; a sample's number says its epoch and its place in it."""
        numbers = draw.host_samples(samples)
        index = epochs(draw.random_seed, numbers, len(self.galleries["train"]))
        batch = self._batch("train", index, samples, draw.random_seed)
        return self._emptied(batch, draw.cells(samples)) if self.masked else batch

    def evaluation_count(self, split: Split) -> int:
        """Return how many scenes a split has."""
        return len(self.galleries[split])

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return whole scenes of a split; their sample numbers count down from -1."""
        samples = -1 - to_device(index, self.galleries[split].device)
        return self._batch(split, index, samples, self.context.random_seed)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return each term that has a weight, averaged over the states."""
        return averaged([self._terms(state, batch) for state in states])

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return shares of wholes, of cells and of background that are right."""
        return rightness(self.naming.scores(state), batch.truth["class"], batch.truth["whole"])

    def truth_ranges(self) -> dict[str, tuple[int, int]]:
        """Return which parts, wholes and classes there are; 0 is background."""
        return {"part": (0, MOST * PARTS), "whole": (0, MOST), "class": (0, CLASSES)}

    def segments(self, batch: Batch) -> dict[str, Tensor]:
        """Return which part, and which whole, each cell belongs to."""
        return {name: batch.truth[name] for name in ("part", "whole")}

    def categories(self, batch: Batch) -> dict[str, Tensor]:
        """Return which of the five parts, and which class of whole, each cell belongs to."""
        return {
            "kind of part": type_of(batch.truth["part"]),
            "class of whole": batch.truth["class"],
        }

    def display(self) -> Display:
        """Return classes as colours, the image level to draw on, and some scenes to report on."""
        zeros = self.context.layout.zeros(
            1, self.context.size, random_seed=self.context.random_seed
        )
        images = torch.zeros(0, 1, *self.canvas)
        if self.galleries:
            gallery = self.galleries["test"]
            shown = gallery.scenes(torch.arange(min(EXAMPLES, len(gallery)))).images.cpu()
            images = shown.unsqueeze(1).float() / 255
        head = self.naming.head
        look = ClassColours(self.naming.level, head.weight, head.bias, NAMES, colours(), silent=0)
        pen = self.pixels.drawing(images, [f"scene {n}" for n in range(1, len(images) + 1)])
        first = self.pixels.darkened(zeros)
        return Display(first, look, pen, "Choose a scene, and see what its cells make of it.")

    def picture(self, state: State) -> Tensor:
        """Return each cell in the colour of its class, as strong as its ink; background grey."""
        chosen = self.naming.scores(state).argmax(dim=1)
        return class_picture(chosen, self.pixels.ink(state), colours())

    def votes(self, batch: Batch) -> list[ClassShare]:
        """Return the share of background and of each class among all cells."""
        chosen = self.naming.scores(batch.state).argmax(dim=1).flatten(1)
        return [
            ClassShare(name, tuple(colour), wide(chosen == number).mean(dim=1))
            for number, (name, colour) in enumerate(zip(NAMES, colours().tolist(), strict=True))
        ]

    @property
    def pixels(self) -> Pixels:
        """How scenes lie in the level that gets them."""
        return Pixels(self.image, self.patch, self.normalise, self.context.size)

    @property
    def canvas(self) -> Size:
        """Height and width of the grid in pixels."""
        return self.pixels.canvas

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Lay a picture over the scene; the truth stays that of the scene before."""
        return Batch(self.pixels.covered(batch.state, picture), batch.truth)

    def _terms(self, state: State, batch: Batch) -> dict[str, Tensor]:
        labels = batch.truth["class"]
        terms = {"naming": self.weights["naming"] * self.naming(state, labels)}
        for name, head in self.deep.items():
            terms[f"naming at {name}"] = self.deep_weights[name] * head(state, labels)
        if self.filling is not None:
            error = self.filling(state, batch.truth["pixels"], batch.truth["hidden"])
            terms["fill"] = self.weights["fill"] * error
        if self.agreement is not None:
            terms["agreement"] = self.weights["agreement"] * self.agreement(state, labels > 0)
        if self.touching is not None:
            mean, deviation = self.normalise
            contact = ink_between(batch.truth["pixels"] * deviation + mean, self.patch)
            surprise = self.touching(state, labels > 0, contact)
            terms["touching"] = self.weights["touching"] * surprise
        return terms

    def _batch(self, split: Split, index: Tensor, samples: Tensor, random_seed: int) -> Batch:
        gallery = self.galleries[split]
        scenes = gallery.scenes(index)
        clean = scenes.images.unsqueeze(1).float() / 255
        seen = clean
        if gallery.settings.noise:
            numbers = gallery.first + index
            noise = noise_of(gallery.settings, self.drawn_from, numbers).unsqueeze(1)
            seen = clean + to_device(noise, clean.device)
        truth = truth_of(scenes, self.pixels)
        truth["pixels"] = self.pixels.normalised(self.pixels.cut(clean))
        truth["hidden"] = torch.zeros_like(truth["part"], dtype=torch.bool)
        empty = self.context.layout.zeros(
            len(index), self.context.size, random_seed=random_seed, device=samples.device
        )
        state = self.pixels.laid(empty, self.pixels.cut(seen))
        return Batch(state.replace(samples=samples), truth)

    def _emptied(self, batch: Batch, source: CellRNG) -> Batch:
        hidden = discs(source, self.masked, self.disc, self.context.size)
        mean, deviation = self.normalise
        image = batch.state[self.image.name]
        image = torch.where(hidden.unsqueeze(1), (EMPTIED - mean) / deviation, image)
        state = batch.state.replace({self.image.name: image})
        return Batch(state, {**batch.truth, "hidden": hidden})


def _below(name: str, names: list[str]) -> str:
    return names[max(names.index(name) - 1, 0)] if name in names else name
