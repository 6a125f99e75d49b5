"""Grow a picture from one cell (Mordvintsev et al. 2020)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from nca import (
    Batch,
    Draw,
    Report,
    Setting,
    ShapeError,
    Share,
    State,
    Task,
    load_target,
    objectives,
    register,
    to_rgb_on_white,
)
from nca.types import Count, Name, Size, Split


@register.task("image_growth")
class ImageGrowth(Task):
    """Grow a target picture from a single cell in the middle of the grid.

    The first four channels of the level are red, green, blue (multiplied by alpha) and alpha;
    the seed's alpha and hidden channels are 1.

    Args:
        setting: The run that the task belongs to.
        target: A registered target (`lizard`, `emoji:...`), or a picture with transparent
            surroundings, relative to the recipe.
        side: Cells along the longer side of the target.
        level: The level that grows; the top level unless named.
        trials: How many seeds an evaluation grows.
    """

    headline = "error"
    better = "less"
    roles = ("start", "target")

    target: Tensor

    def __init__(
        self, setting: Setting, *, target: Name, side: Count, level: str = "", trials: Count = 8
    ) -> None:
        super().__init__(setting)
        self.level = setting.layout[level or list(setting.layout)[-1]]
        self.spec, self.side, self.count = target, side, trials
        height, width = (*setting.size, 0)[:2] if len(setting.size) == 2 else (0, 0)
        if min(height, width) < side or self.level.channels < 4:
            raise ShapeError(
                f"a target of {side} cells does not fit a grid of {list(setting.size)} cells and "
                f'{self.level.channels} channels at level "{self.level.name}".',
                where="[task] side, [grid] size, [[levels]] channels",
                to_do="use two axes, sides of at least that many cells, and 4 channels or more",
            )
        # part of the checkpoint: whoever gets that file needs no picture
        self.register_buffer("target", torch.zeros(4, height, width))

    def prepare(
        self, device: torch.device, data: Path | None = None, report: Report | None = None
    ) -> None:
        """Draw or load the target, unless a checkpoint has brought it.

        Raises:
            TargetError: The picture cannot be had or used.
        """
        if not self.target.any():
            square = load_target(self.spec, side=self.side, folder=self.setting.folder)
            self.target = _centred(square, self.setting.size)
        self.target = self.target.to(device)

    def draw(self, draw: Draw, samples: Tensor) -> Batch:
        """Return one seed for each sample number."""
        state = self.setting.layout.zeros(
            len(samples), self.setting.size, random_seed=draw.random_seed, device=samples.device
        )
        body = state[self.level.name].clone()
        height, width = self.setting.size
        body[:, 3:, height // 2, width // 2] = 1
        return Batch(state.replace({self.level.name: body}, samples=samples))

    def plant(self, batch: Batch, cell: Size) -> Batch:
        """Put the seed into one cell: all channels 1 but the colours."""
        body = batch.state[self.level.name].clone()
        body[(slice(None), slice(3, None), *cell)] = 1
        return Batch(batch.state.replace({self.level.name: body}), batch.truth)

    def write(self, batch: Batch, picture: Tensor, role: str) -> Batch:
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

    def trials(self, split: Split, batch: int) -> Iterator[Batch]:
        """Yield seeds; their sample numbers count down from -1."""
        samples = -1 - torch.arange(self.count, device=self.target.device)
        for part in samples.split(batch):
            yield self.draw(Draw(self.setting.random_seed, 0), part)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared difference from the target, over all four channels."""
        target = self._target(batch)
        errors = [objectives.squared_error(self._grown(state), target) for state in states]
        return {"squared": torch.stack(errors).mean(dim=0)}

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return the mean squared difference from the target, and the share of live cells."""
        grown = self._grown(state)
        return {
            "error": Share.of(objectives.squared_error(grown, self._target(batch))),
            "opaque cells": Share.of((grown[:, 3] > 0.1).flatten(1).double().mean(dim=1)),
        }

    def picture(self, state: State) -> Tensor:
        """Return what has grown, on white."""
        return to_rgb_on_white(self._grown(state))

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Return the target too."""
        target = to_rgb_on_white(self._target(batch))
        return {"target": target.expand(batch.state.batch, -1, -1, -1)}

    def _target(self, batch: Batch) -> Tensor:
        return batch.truth.get("target", self.target)

    def _grown(self, state: State) -> Tensor:
        return state[self.level.name][:, :4]


def _centred(picture: Tensor, size: Size) -> Tensor:
    """Return a picture `(C, H, W)` in the middle of a grid of another size."""
    margins = []
    for want, have in zip(size[::-1], picture.shape[:0:-1], strict=True):
        margins += [(want - have) // 2, want - have - (want - have) // 2]
    return nn.functional.pad(picture, margins)
