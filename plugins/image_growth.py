"""Grow a picture from one cell (Mordvintsev et al. 2020), or one of several pictures.

    nca play growing                     cut the lizard, go back in time, plant a second one
    nca render growing --out lizard.gif --steps 100
    nca render growing --size 64x160 --seeds 6 --steps 100 --damage 60:half:0.5:left --out film.gif
    nca run growing --set task.target=my.png --set task.side=32
    nca export growing --to html
    nca import growing FILE              published weights, as a checkpoint

The second film is of six lizards, half of whose grid is cut away. One automaton grows any of five
pictures as a condition tells its cells, turns one into another when the condition is exchanged,
and lies in between where it is blended:

    nca examine growing_conditional --ask exchange --ask damage
    nca render growing_conditional --set "task.blend=[0.5, 0.5, 0, 0, 0]"

Recipes, after the articles: `growing_once` (no pool), `growing_persistent` (a pool), `growing` (a
pool and damage), `growing_butterfly`, `growing_isotropic` (cells that cannot tell up from down),
`growing_conditional` (five pictures) and `growing_lizard` (the paper's numbers, for a GPU).
`nca recipes show NAME` says what each measured. Targets: `lizard`, `butterfly`, `planarian`,
`fish`, `toadstool`, `emoji`, or a file.
"""

import colorsys
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le, Len
from torch import Tensor, nn

from nca import (
    SILENT,
    Batch,
    ChannelColours,
    Display,
    Fault,
    HostRNG,
    OptionError,
    Progress,
    Share,
    State,
    TargetError,
    Task,
    TaskContext,
    load_target,
    losses,
    register,
    to_device,
    to_rgb_on_white,
)
from nca.metrics import wide
from nca.types import Count, Fraction, PictureSide, Positive, Samples, Size, Split, TargetSpec
from nca_plugins import turned

VISIBLE = 4
"""Red, green, blue and alpha: what a target has."""


CHECKED = 512
"""Cells along the longer side of a target that is only checked, at most."""


@register.task("image_growth")
class ImageGrowth(Task):
    """Grow a target picture from a seed in the middle of the grid.

    The first four channels of the level are red, green, blue (multiplied by alpha) and alpha;
    the seed's alpha and hidden channels are 1. Where there are several targets, the hidden
    channels begin with a genome, one channel for each target: in the seed, that of its own target
    is 1 and the others are 0. With a `condition` all cells hold that in every step instead, on an
    input level, where it may be exchanged and blended.

    Args:
        setting: The run that the task belongs to.
        target: A registered target (`lizard`, `emoji:...`), or a picture with transparent
            surroundings, relative to the recipe; or a target and its options, `{ name = ... }`; or
            a list of them.
        side: Cells along the longer side of each target.
        level: The level that grows; the top level unless named.
        trials: How many seeds an evaluation grows; of each target alike, as far as they go round.
        free: Whether the target may stand at any angle and be mirrored, as it fits best. The
            least of all errors counts: a rule without directions cannot know up from down.
        points: Cells of the seed: one in the middle, or several on a circle, each in a colour of
            its own, which give directions to cells that have none.
        circle: Radius of that circle, in cells.
        condition: An input level that says in every cell what shall grow, one channel for each
            target, in place of a genome.
        blend: How much of each target shall grow in an evaluation, in place of one target for
            each seed; the sample is judged by the pictures in the same shares.
    """

    headline = "error"
    better = "less"
    roles = ("start", "target")
    derived_buffers: ClassVar = {"target": ("target", "side", "size")}

    target: Tensor

    def __init__(
        self,
        setting: TaskContext,
        *,
        target: TargetSpec | Annotated[tuple[TargetSpec, ...], Len(1, 100)],
        side: PictureSide,
        level: str = "",
        trials: Samples = 8,
        free: bool = False,
        points: Annotated[Count, Le(360)] = 1,
        circle: Positive = 4.0,
        condition: str = "",
        blend: Annotated[tuple[Fraction, ...], Len(0, 100)] = (),
    ) -> None:
        super().__init__(setting)
        self.level = setting.grid_level(level or list(setting.layout)[-1], "level")
        self.specs = (target,) if isinstance(target, str | dict) else tuple(target)
        self.genes = 0 if isinstance(target, str | dict) else len(target)
        self.side, self.count, self.free = side, trials, free
        self.condition, self.blend = condition, blend
        self._check(points, circle)
        self.points = spots(points, circle)
        # part of the checkpoint: that file alone needs no picture
        many = (self.genes,) if self.genes else ()
        self.register_buffer("target", torch.zeros(*many, VISIBLE, *setting.size))

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Draw or load the targets, unless a checkpoint has brought them.

        Raises:
            TargetError: A picture cannot be had or used, or does not fit the grid.
        """
        if not self.target.any():
            size = self.context.size
            pictures = [self._loaded(spec, self.side, size) for spec in self.specs]
            self.target = torch.stack(pictures).view_as(self.target)
        self.target = self.target.to(device)

    def check(self) -> None:
        """Refuse pictures that cannot be had or used; large ones are drawn smaller for that."""
        side = min(self.side, CHECKED)
        size = tuple(math.ceil(cells * side / self.side) for cells in self.context.size)
        for spec in self.specs:
            self._loaded(spec, side, size)

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return one seed for each sample number; targets take turns, in an order that is drawn."""
        if self.genes:  # a fixed order would give the first of each batch one target for ever
            order = to_device(draw.order("targets", self.genes), samples.device)
            return self._seeds(draw, samples, order[samples % self.genes])
        return self._seeds(draw, samples, torch.zeros_like(samples))

    def truth_ranges(self) -> dict[str, tuple[int, int]]:
        """Return which genomes there are, if any."""
        return {"genome": (0, self.genes - 1)} if self.genes else {}

    def add_seed(self, batch: Batch, cell: Size) -> Batch:
        """Put the seed into one cell: all channels 1 but the colours, and the genome if any."""
        body = batch.state[self.level.name].clone()
        self._sow(body[(slice(None), slice(None), *cell)], batch.truth.get("genome"))
        return Batch(batch.state.replace({self.level.name: body}), batch.truth)

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Let a picture be what there is, with empty hidden channels, or what there shall be."""
        rgba = torch.cat([picture[:3] * picture[3:], picture[3:]]).to(self.target)
        if role == "target":
            count = batch.state.batch
            return Batch(batch.state, {**batch.truth, "target": rgba.repeat(count, 1, 1, 1)})
        body = batch.state[self.level.name]
        over = torch.nn.functional.pad(rgba, (0, 0, 0, 0, 0, body.shape[1] - 4))
        body = torch.where(rgba[3:] > 0, over.to(body), body)
        return Batch(batch.state.replace({self.level.name: body}), batch.truth)

    def resize(self, size: Size) -> None:
        """Keep the target in the middle of another grid."""
        super().resize(size)
        self.target = _centred(self.target, size)

    def evaluation_count(self, split: Split) -> int:
        """Return how many seeds a split has."""
        return self.count

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return seeds of a split; their sample numbers count down from -1."""
        return self._evaluated(-1 - index.to(self.target.device))

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared difference from the target, over all four channels."""
        errors = [self._error(state, batch) for state in states]
        return {"squared": torch.stack(errors).mean(dim=0)}

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return the mean squared difference from the target, and the share of live cells."""
        alpha = self._grown(state)[:, 3]
        return {
            "error": Share.of(self._error(state, batch)),
            "opaque cells": Share.of(wide((alpha > 0.1).flatten(1)).mean(dim=1)),
        }

    def display(self) -> Display:
        """Return the seed, and the colours of what grows."""
        seed = self._evaluated(-1 - torch.arange(1)).state
        hint = "Cut it and watch it heal, or sow another seed."
        return Display(seed, ChannelColours(self.level.name, alpha=3), hint=hint)

    def picture(self, state: State) -> Tensor:
        """Return what has grown, on white."""
        return to_rgb_on_white(self._grown(state))

    def targets(self, batch: Batch) -> Tensor:
        """Return the target of each sample on white, `(B, 3, height, width)`."""
        return to_rgb_on_white(self._wanted(batch)).expand(batch.state.batch, -1, -1, -1)

    def _evaluated(self, samples: Tensor) -> Batch:
        """Return the seeds of an evaluation; targets take turns, or are blended."""
        draw = HostRNG(self.context.random_seed, 0)
        batch = self._seeds(draw, samples, samples % len(self.specs))
        if not self.blend:
            return batch
        shares = self.target.new_tensor(self.blend)
        level = torch.zeros_like(batch.state[self.condition]) + shares.view(1, -1, 1, 1)
        wanted = torch.einsum("t,tchw->chw", shares, self.target)
        truth = {**batch.truth, "target": wanted.expand(len(samples), -1, -1, -1)}
        return Batch(batch.state.replace({self.condition: level}), truth)

    def _seeds(self, draw: HostRNG, samples: Tensor, chosen: Tensor) -> Batch:
        """Return one seed for each sample number, with the number of its target."""
        state = self.context.layout.zeros(
            len(samples), self.context.size, random_seed=draw.random_seed, device=samples.device
        )
        body = state[self.level.name].clone()
        height, width = (side // 2 for side in self.context.size)
        for down, across, colour in self.points:
            cell = body[:, :, height + down, width + across]  # a view, (B, C)
            cell[:, :3] = body.new_tensor(colour)
            self._sow(cell, chosen)
        levels = {self.level.name: body}
        if self.condition:
            asked = nn.functional.one_hot(chosen, self.genes).to(body)  # (B, targets)
            levels[self.condition] = (
                torch.zeros_like(state[self.condition]) + asked[..., None, None]
            )
        state = state.replace(levels, samples=samples)
        return Batch(state, {"genome": chosen} if self.genes else {})

    def _sow(self, cell: Tensor, chosen: Tensor | None) -> None:
        """Let cells `(B, C)` live, with the genome that says which target each shall grow."""
        cell[:, 3:] = 1
        if chosen is not None and self.genes and not self.condition:
            genome = nn.functional.one_hot(chosen, self.genes)
            cell[:, VISIBLE : VISIBLE + self.genes] = genome.to(cell)

    def _wanted(self, batch: Batch) -> Tensor:
        """Return the targets, one for all or one for each sample, `(..., 4, height, width)`."""
        if "target" in batch.truth:  # a person's picture
            return batch.truth["target"]
        return self.target[batch.truth["genome"]] if self.genes else self.target

    def _grown(self, state: State) -> Tensor:
        return state[self.level.name][:, :VISIBLE]

    def _error(self, state: State, batch: Batch) -> Tensor:
        if self.free:
            return turned.least_squared_error(self._grown(state), self._wanted(batch))
        return losses.squared_error(self._grown(state), self._wanted(batch))

    def _loaded(self, spec: TargetSpec, side: int, size: Size) -> Tensor:
        """Return a target of so many cells in the middle of a grid, `(4, height, width)`.

        Raises:
            TargetError: It does not fit.
        """
        square = load_target(spec, side=side, folder=self.context.folder, files=self.context.files)
        picture = _centred(square, size)
        height, width = size
        rings = turned.ring_count(height, width)
        beyond = turned.distances(height, width) > rings
        lost = picture[3].count_nonzero() < square[3].count_nonzero()
        if lost or (self.free and (picture[3] * beyond).any()):
            turning = f" at every angle: a circle of {2 * rings + 1} cells" if self.free else ""
            raise TargetError(
                f"a target of {self.side} cells does not fit the grid{turning}.",
                where=f"target {spec!r}, [grid] size = {list(self.context.size)}",
                to_do="give a smaller [task] side, or a greater [grid] size",
            )
        return picture

    def _check(self, points: int, circle: float) -> None:
        size, needed = self.context.size, VISIBLE + self.genes * (not self.condition)
        channels, faults = self.level.channels, []
        if len(size) != 2:
            to_do = "pictures have two axes: [grid] size = [height, width]"
            faults.append(Fault((), f"does not fit a grid of {list(size)} cells", to_do))
        if max(size) < self.side:
            to_do = f"the grid has {max(size)} cells along its longer side"
            faults.append(Fault(("side",), f"is {self.side}", to_do))
        if channels < needed:
            words = f'does not fit the {channels} channels of level "{self.level.name}"'
            faults.append(Fault(("target",), words, f"it needs {needed} channels or more"))
        if self.level.input:
            faults.append(Fault(("level",), "is an input", "name a level that rules write to"))
        if points > 1 and 2 * circle + 1 >= min(size):
            to_do = f"a smaller circle in a grid of {list(size)} cells, or one point"
            faults.append(Fault(("circle",), f"is {circle:g}", to_do))
        faults += self._misfits()
        if faults:
            raise OptionError(faults, "ImageGrowth(...)")

    def _misfits(self) -> Iterator[Fault]:
        """Yield what is wrong with condition and blend."""
        level = self.context.layout.get(self.condition)
        if self.condition and not self.genes:
            yield Fault(("condition",), "has no effect", "give a list of targets, or leave it out")
        elif self.condition and (level is None or not level.input):
            words = f'is "{self.condition}"'
            yield Fault(("condition",), words, "name a level with input = true")
        elif level and level.channels != self.genes:
            words = f"has {level.channels} channels"
            to_do = f"one for each of the {self.genes} targets"
            yield Fault(("condition",), words, to_do)
        if self.blend and not self.condition:
            yield Fault(("blend",), "has no effect", "only with a condition can targets be blended")
        elif self.blend and len(self.blend) != self.genes:
            to_do = f"one for each of the {self.genes} targets"
            yield Fault(("blend",), f"has {len(self.blend)} shares", to_do)


def spots(points: int, circle: float) -> list[tuple[int, int, tuple[float, float, float]]]:
    """Return the cells of a seed: how far down and across from the middle, and their colours.

    One cell has no colour and stands in the middle; several stand on a circle, from the top
    clockwise, in the colours of the rainbow.
    """
    if points == 1:
        return [(0, 0, (0.0, 0.0, 0.0))]
    turns = [number / points for number in range(points)]
    return [
        (
            round(-circle * math.cos(2 * math.pi * turn)),
            round(circle * math.sin(2 * math.pi * turn)),
            colorsys.hsv_to_rgb(turn, 1.0, 1.0),
        )
        for turn in turns
    ]


def _centred(picture: Tensor, size: Size) -> Tensor:
    """Return `(..., H, W)` in the middle of a grid of another size, cut where it is too large."""
    margins = []
    for want, have in zip(size[::-1], picture.shape[:0:-1], strict=False):
        margins += [(want - have) // 2, want - have - (want - have) // 2]
    return nn.functional.pad(picture, margins)
