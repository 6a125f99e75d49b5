"""Cells fill in what is hidden of a scene of objects; nothing in the loss says what objects are.

The loss has up to three terms, and no label in any: the colours of all cells, also of those that
were not shown, read off the top level; agreement of levels with those beside them; agreement of
cells that touch. Whether islands of the top level are the objects is measured by a truth that no
term ever sees.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nca import (
    SILENT,
    TORUS,
    Batch,
    CellRNG,
    Display,
    Fault,
    HostRNG,
    OptionError,
    Progress,
    Share,
    State,
    Task,
    TaskContext,
    analysis,
    per_cell,
    register,
    to_device,
)
from nca.types import Count, Natural, NonNegative, PictureSide, Positive, RandomSeed, Size, Split
from nca_plugins.cells import discs
from nca_plugins.objects.guesses import TOLERANCE, k_means, of_equal_colour
from nca_plugins.objects.scenes import MOST, ObjectColours, ObjectKind, ObjectSettings, draw_objects
from nca_plugins.part_whole.terms import Agreement, Filling, Touching, averaged
from nca_plugins.pixels import Pixels

SPLIT = 1 << 24
"""Between the scene numbers of the splits."""

EMPTIED = -1.0
"""What an emptied pixel holds; no pixel is that dark, but for noise."""


ALIKE = 0.9
"""Least cosine inside an island, as `nca islands` takes it."""


BRIGHT = 0.3
"""Cells none of whose colours is brighter are taken for ground by agreement of cells that touch."""

UNLIKE = 0.3
"""Colours that lie so far apart are half as alike as equal ones, about."""


@register.task("objects")
class Objects(Task):
    """Fill in what is hidden of scenes of blocks or sprites, and see whether objects appear.

    A cell is a pixel. Of each scene the truth is which object a cell shows; no loss knows it.

    Args:
        setting: The run that the task belongs to.
        kind: What the objects are: blocks of four squares, or discs, squares, triangles, rings and
            crosses.
        side: Pixels along each side of a scene; the grid may be larger, and is dark beyond.
        count: The least and the greatest number of objects.
        unit: Pixels along each side of a block's squares.
        radius: The least and the greatest radius of a circle around a sprite, in pixels.
        overlap: Whether objects may lie on each other.
        colours: Different ones of eight; any of the eight, maybe one twice; or any at all.
        noise: Standard deviation of the noise on every pixel.
        image: The level that gets the scene; the bottom level unless named.
        read: The level that is to hold objects; the top level unless named.
        drawn_from: The random seed from which all scenes follow; it is not the run's.
        trials: How many scenes there are to choose by, and as many again to report on.
        masked: Share of every scene that is emptied in training, by discs.
        disc: Radius of these discs, in cells.
        fill: Weight of telling the colours of all cells from the level that is read.
        agreement: Weight of telling that level's embeddings from those of the levels beside it.
        touching: Weight of agreement between cells of that level that touch, the more alike their
            colours are, against those that lie apart; dark cells do not count.
        apart: How many cells along an axis that is; 0: against none.
        temperature: Divides the cosines of both agreements.
    """

    headline = "island ARI"
    better = "more"
    roles = ("input",)

    def __init__(
        self,
        setting: TaskContext,
        *,
        kind: ObjectKind = "blocks",
        side: PictureSide = 16,
        count: tuple[Annotated[int, Ge(1), Le(MOST)], Annotated[int, Ge(1), Le(MOST)]] = (2, 4),
        unit: Count = 2,
        radius: tuple[Annotated[float, Ge(1)], Annotated[float, Ge(1)]] = (3.0, 5.0),
        overlap: bool = False,
        colours: ObjectColours = "distinct",
        noise: NonNegative = 0.0,
        image: str = "",
        read: str = "",
        drawn_from: RandomSeed = 0,
        trials: Annotated[Count, Le(SPLIT)] = 500,
        masked: Annotated[float, Ge(0), Le(0.9)] = 0.25,
        disc: Annotated[float, Ge(0.5)] = 2.0,
        fill: Positive = 1.0,
        agreement: NonNegative = 0.0,
        touching: NonNegative = 0.0,
        apart: Natural = 4,
        temperature: Positive = 0.1,
    ) -> None:
        super().__init__(setting)
        layout, names = setting.layout, list(setting.layout)
        self.image, self.read = layout[image or names[0]], layout[read or names[-1]]
        self.settings = ObjectSettings(kind, side, count, unit, radius, overlap, colours, noise)
        written = [name for name in names if not layout[name].input and name != self.image.name]
        self._check(written)
        self.drawn_from, self.trials = drawn_from, trials
        self.masked, self.disc = masked, disc
        self.weights = {"fill": fill, "agreement": agreement, "touching": touching}
        self.filling = Filling(self.read, 3)
        self.agreement = None
        if agreement:
            self.agreement = Agreement(
                [layout[name] for name in written],
                self.read.name,
                temperature=temperature,
                among_images=False,
            )
        self.touching = Touching(self.read, temperature=temperature, apart=apart)

    def _check(self, written: Sequence[str]) -> None:
        side = self.settings.side
        faults = [*self.settings.misfits(), *self.pixels.misfits((3, side, side), "side")]
        if self.read.name not in written:
            to_do = f"name a level that rules write to: {', '.join(written) or 'add one'}"
            faults.append(Fault(("read",), f'is "{self.read.name}"', to_do))
        if faults:
            raise OptionError(faults, "Objects(...)")

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Note where batches are made; scenes are drawn when they are asked for."""
        self.device = device

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return fresh states; every sample is a scene that no other one is."""
        index = draw.host_samples(samples) % SPLIT
        batch = self._batch("train", index, samples, draw.random_seed)
        return self._emptied(batch, draw.cells(samples)) if self.masked else batch

    def evaluation_count(self, split: Split) -> int:
        """Return how many scenes a split has."""
        return self.trials

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return whole scenes of a split; their sample numbers count down from -1."""
        samples = -1 - to_device(index, self.device)
        return self._batch(split, index, samples, self.context.random_seed)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return each term that has a weight, averaged over the states."""
        return averaged([self._terms(state, batch) for state in states])

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return how islands of the level that is read, and simple means, match the objects."""
        truth = batch.truth["object"]
        counts = analysis.segments_in(truth)
        found = {"island": analysis.islands(state[self.read.name], ALIKE, TORUS)}
        found |= self.guesses(batch)
        shares = {}
        for name, labels in found.items():
            ari = analysis.foreground_ari(labels, truth)
            # one object alone leaves nothing to tell apart
            known = (counts > 1).double()
            shares[f"{name} ARI"] = Share(ari.where(counts > 1, 0.0), known)
            overlap = analysis.mean_best_overlap(labels, truth)
            shares[f"{name} overlap"] = Share(overlap.where(counts > 0, 0.0), (counts > 0).double())
        return shares

    def truth_ranges(self) -> dict[str, tuple[int, int]]:
        """Return which objects there are; 0 is the ground."""
        return {"object": (0, MOST)}

    def segments(self, batch: Batch) -> dict[str, Tensor]:
        """Return which object each cell shows."""
        return {"object": batch.truth["object"]}

    def guesses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the components of equal colour, and clusters of colours, their number given."""
        colours = batch.truth["colours"]
        counts = analysis.segments_in(batch.truth["object"]) + 1  # and the ground
        tolerance = max(TOLERANCE, 3 * self.settings.noise)
        return {
            "equal colour": of_equal_colour(colours, tolerance=tolerance),
            "k-means": k_means(colours, counts),
        }

    def display(self) -> Display:
        """Return a dark scene to begin with."""
        zeros = self.context.layout.zeros(
            1, self.context.size, random_seed=self.context.random_seed
        )
        return Display(self.pixels.darkened(zeros))

    def picture(self, state: State) -> Tensor:
        """Return the colours that the cells of the level that is read tell, `(B, 3, H, W)`."""
        filled = per_cell(self.filling.head, state[self.read.name]).float()
        return filled.clamp(0, 1)

    def targets(self, batch: Batch) -> Tensor:
        """Return the scenes as they are seen."""
        return batch.truth["colours"].clamp(0, 1)

    @property
    def pixels(self) -> Pixels:
        """How scenes lie in the level that gets them."""
        return Pixels(self.image, 1, (0.0, 1.0), self.context.size, colours=3)

    @property
    def canvas(self) -> Size:
        """Height and width of the grid in pixels."""
        return self.pixels.canvas

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Lay a picture over the scene; its objects are unknown from then on."""
        state = self.pixels.covered(batch.state, picture)
        truth = {**batch.truth, "colours": state[self.image.name][:, :3]}
        return Batch(state, {**truth, "object": torch.zeros_like(batch.truth["object"])})

    def _terms(self, state: State, batch: Batch) -> dict[str, Tensor]:
        error = self.filling(state, batch.truth["colours"], batch.truth["hidden"])
        terms = {"fill": self.weights["fill"] * error}
        everywhere = torch.ones_like(batch.truth["hidden"])
        if self.agreement is not None:
            terms["agreement"] = self.weights["agreement"] * self.agreement(state, everywhere)
        if self.weights["touching"]:
            colours = batch.truth["colours"]
            bright = colours.amax(dim=1) > BRIGHT
            surprise = self.touching(state, bright, _likeness(colours))
            terms["touching"] = self.weights["touching"] * surprise
        return terms

    def _batch(self, split: Split, index: Tensor, samples: Tensor, random_seed: int) -> Batch:
        first = ("train", "held_out", "test").index(split) * SPLIT
        scenes = draw_objects(self.settings, self.drawn_from, first + index)
        device = samples.device
        images, objects = (to_device(t, device) for t in (scenes.images, scenes.objects))
        empty = self.context.layout.zeros(
            len(index), self.context.size, random_seed=random_seed, device=device
        )
        colours = self.pixels.cut(images)
        truth = {
            "object": self.pixels.cut(objects.unsqueeze(1)).squeeze(1),
            "colours": colours,
            "hidden": torch.zeros(colours[:, 0].shape, dtype=torch.bool, device=device),
        }
        return Batch(self.pixels.laid(empty, colours).replace(samples=samples), truth)

    def _emptied(self, batch: Batch, source: CellRNG) -> Batch:
        hidden = discs(source, self.masked, self.disc, self.context.size)
        image = batch.state[self.image.name].masked_fill(hidden.unsqueeze(1), EMPTIED)
        state = batch.state.replace({self.image.name: image})
        return Batch(state, {**batch.truth, "hidden": hidden})


def _likeness(colours: Tensor) -> Tensor:
    """Return how alike in colour each cell and the next along each axis are, `(B, 2, H, W)`."""
    away = [(colours - colours.roll(-1, axis)).square().sum(dim=1) for axis in (2, 3)]
    return torch.exp(-torch.stack(away, dim=1) / (2 * UNLIKE**2))
