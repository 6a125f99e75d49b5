"""Cover the grid with a texture, without end (Niklasson, Mordvintsev, Randazzo, Levin 2021)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le
from torch import Tensor

from nca import (
    SILENT,
    TORUS,
    Batch,
    ChannelColours,
    Display,
    Fault,
    HostRNG,
    InitialState,
    InitialStateSpec,
    OptionError,
    Progress,
    Share,
    State,
    TargetError,
    Task,
    TaskContext,
    Topology,
    load_texture,
    losses,
    register,
)
from nca.types import Count, NonNegative, PictureSide, Samples, Split, TargetSpec
from nca_plugins.texture.distance import distance

HELD_OUT = 64
"""Directions at each scale by which a texture is measured."""


@register.task("texture")
class Texture(Task):
    """Cover the grid with a pattern whose patches are those of a target.

    The first three channels of the level are red, green and blue, each 0.5 too low, so that an
    empty cell is grey. There is no place for anything: only what stands beside what is judged, by
    a sliced Wasserstein distance between patches (`nca_plugins.texture.distance` has more).

    Args:
        setting: The run that the task belongs to.
        target: A registered pattern (`weave`, `scales`, `bubbles`, `marble`), or any picture,
            relative to the recipe.
        side: Cells along the longer side of the target: how large the pattern is to be.
        tileable: Whether the target wraps. Otherwise its edges are mirrored.
        directions: Directions at each scale, drawn afresh for every batch.
        patch: Cells along each side of a patch at the finest scale, an odd number.
        scales: How many scales, each with patches that reach twice as far.
        overflow: Weight of what leaves -1 to 1 in the loss, summed over a cell's channels.
        start: What the level starts from.
        level: The level that is covered; the top level unless named.
        trials: How many grids an evaluation covers.
    """

    headline = "distance"
    better = "less"
    derived_buffers: ClassVar = {"target": ("target", "side"), "extent": ("target", "side")}

    target: Tensor
    extent: Tensor

    def __init__(
        self,
        setting: TaskContext,
        *,
        target: TargetSpec,
        side: PictureSide,
        tileable: bool = True,
        directions: Annotated[Count, Le(1 << 12)] = 32,
        patch: Annotated[Count, Le(255)] = 5,
        scales: Annotated[Count, Le(8)] = 3,
        overflow: NonNegative = 1.0,
        start: InitialStateSpec = InitialStateSpec(),  # noqa: B008, it is frozen
        level: str = "",
        trials: Samples = 4,
    ) -> None:
        super().__init__(setting)
        self.level = setting.grid_level(level or list(setting.layout)[-1], "level")
        self.spec, self.side, self.count = target, side, trials
        self.edges = TORUS if tileable else Topology("reflect")
        self.directions, self.patch, self.scales = directions, patch, scales
        self.overflow = overflow
        self._check()
        self.first = InitialState(setting.layout, start)
        # part of the checkpoint: that file alone needs no picture
        self.register_buffer("target", torch.zeros(3, side, side))
        self.register_buffer("extent", torch.zeros(2, dtype=torch.int64))
        self.target_size = (0, 0)
        self.register_load_state_dict_post_hook(self._know_size)

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Draw or load the target, unless a checkpoint has brought it.

        Raises:
            TargetError: The picture cannot be had or used.
        """
        if not self.extent.any():
            picture = self._drawn()
            height, width = picture.shape[1:]
            self.target[:, :height, :width] = picture.to(self.target)
            self.extent, self.target_size = torch.tensor([height, width]), (height, width)
        self.to(device)

    def check(self) -> None:
        """Refuse a picture that cannot be had or used."""
        self._drawn()

    @property
    def pattern(self) -> Tensor:
        """The target at its own size, `(3, height, width)`, from 0 to 1."""
        height, width = self.target_size
        return self.target[:, :height, :width]

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return one first state for each sample number."""
        state = self.context.layout.zeros(
            len(samples), self.context.size, random_seed=draw.random_seed, device=samples.device
        )
        return Batch(self.first(state.replace(samples=samples)))

    def evaluation_count(self, split: Split) -> int:
        """Return how many first states a split has."""
        return self.count

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return first states of a split; their sample numbers count down from -1."""
        samples = -1 - index.to(self.target.device)
        return self.training_batch(HostRNG(self.context.random_seed, 0), samples)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the distance along directions of the batch's own, and what overflows."""
        far = [self._distance(state, batch.draw, self.directions) for state in states]
        terms = {"distance": torch.stack(far).mean(dim=0)}
        if self.overflow:
            cells = states[-1][self.level.name][0, 0].numel()
            beyond = [losses.overflow(state, [self.level.name], 1.0) for state in states]
            terms["overflow"] = self.overflow / cells * torch.stack(beyond).mean(dim=0)
        return terms

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return the distance along directions that no training sees, the same every time."""
        return {"distance": Share.of(self._distance(state, HostRNG(0, -1), HELD_OUT))}

    def display(self) -> Display:
        """Return the first state, and the colours of what covers it."""
        first = self.training_batch(
            HostRNG(self.context.random_seed, 0), -1 - torch.arange(1)
        ).state
        hint = "Cut a hole, and watch the pattern close it."
        return Display(first, ChannelColours(self.level.name, shift=0.5), hint=hint)

    def picture(self, state: State) -> Tensor:
        """Return the texture, `(B, 3, H, W)`, from 0 to 1."""
        return self._colours(state).clamp(0, 1)

    def targets(self, batch: Batch) -> Tensor:
        """Return the target, repeated until it covers the grid, `(B, 3, H, W)`."""
        times = [
            -(-want // have) for want, have in zip(self.context.size, self.target_size, strict=True)
        ]
        height, width = self.context.size
        covered = self.pattern.repeat(1, *times)[:, :height, :width]
        return covered.expand(batch.state.batch, -1, -1, -1)

    @staticmethod
    def _know_size(task: "Texture", *_: object) -> None:
        """Hold the sides of a new target on the host: a device would have to be waited for."""
        height, width = task.extent.tolist()
        task.target_size = height, width

    def _distance(self, state: State, draw: HostRNG, count: int) -> Tensor:
        # sums of patches are sorted: in half precision most of them would be alike
        with torch.autocast(self.target.device.type, enabled=False):
            return distance(
                self._colours(state),
                self.pattern,
                draw,
                count=count,
                patch=self.patch,
                scales=self.scales,
                edges=self.edges,
            )

    def _colours(self, state: State) -> Tensor:
        return state[self.level.name][:, :3].float() + 0.5

    def _check(self) -> None:
        size, channels, faults = self.context.size, self.level.channels, []
        if len(size) != 2 or channels < 3:
            words = (
                f'cannot cover {list(size)} cells and {channels} channels of "{self.level.name}"'
            )
            to_do = "use two axes in [grid] size, and 3 channels or more"
            faults.append(Fault((), words, to_do))
        if self.level.input:
            faults.append(Fault(("level",), "is an input", "name a level that rules write to"))
        if self.patch % 2 == 0:
            to_do = "a patch needs a middle: an odd number, such as 5"
            faults.append(Fault(("patch",), f"is {self.patch}", to_do))
        if faults:
            raise OptionError(faults, "Texture(...)")

    def _drawn(self) -> Tensor:
        """Draw or load the target, `(3, height, width)`.

        Raises:
            TargetError: The picture cannot be had or used.
        """
        picture = load_texture(
            self.spec, side=self.side, folder=self.context.folder, files=self.context.files
        )
        if picture.std(dim=(1, 2)).max() < 1 / 255:
            raise TargetError(
                "the target is of one colour, so that every patch of it is alike.",
                where=f"target {self.spec!r} at side {self.side}",
                to_do="choose a picture with a pattern",
            )
        return picture
