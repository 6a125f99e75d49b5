"""Grow a picture of black and white cells from one cell, as bits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le
from PIL import Image
from torch import Tensor

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
    register,
)
from nca.metrics import wide
from nca.types import Count, PictureSide, Samples, Size, Split, TargetSpec
from nca_plugins.targets import refuse_argument


@register.task("bit_growth")
class BitGrowth(Task):
    """Grow a target of black and white cells from one cell, on the first channel of a level.

    All begins with 0 but for the cell in the middle, whose channels are all 1. A pixel of the
    target is 1 where the picture is opaque for the most part.

    Args:
        setting: The run that the task belongs to.
        target: A registered target, or a picture with transparent surroundings, relative to the
            recipe; or a target and its options, `{ name = "checkerboard", square = 2 }`.
        side: Cells along the longer side of the target, which stands in the middle of the grid.
        level: The level that grows; the top level unless named.
        trials: How many seeds an evaluation grows; where all cells fire, one says all.
    """

    headline = "cells right"
    better = "more"
    derived_buffers: ClassVar = {"target": ("target", "side", "size")}

    target: Tensor

    def __init__(
        self,
        setting: TaskContext,
        *,
        target: TargetSpec,
        side: PictureSide,
        level: str = "",
        trials: Samples = 1,
    ) -> None:
        super().__init__(setting)
        self.level = setting.grid_level(level or list(setting.layout)[-1], "level")
        self.spec, self.side, self.trials = target, side, trials
        faults = []
        if len(setting.size) != 2:
            to_do = "pictures have two axes: [grid] size = [height, width]"
            faults.append(Fault((), f"does not fit a grid of {list(setting.size)} cells", to_do))
        elif side > min(setting.size):
            to_do = f"the grid has {min(setting.size)} cells along its shorter side"
            faults.append(Fault(("side",), f"is {side}", to_do))
        if self.level.input:
            faults.append(Fault(("level",), "is an input", "name a level that rules write to"))
        if faults:
            raise OptionError(faults, "BitGrowth(...)")
        self.register_buffer("target", torch.full(setting.size, -1.0))

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Draw or load the target, unless a checkpoint has brought it.

        Raises:
            TargetError: It cannot be had or used, or leaves all black or all white.
        """
        if (self.target < 0).any():
            self.target = self._loaded()
        self.target = self.target.to(device)

    def check(self) -> None:
        """Refuse a picture that cannot be had or used."""
        self._loaded()

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return one seed for each sample number."""
        state = self.context.layout.zeros(
            len(samples), self.context.size, random_seed=draw.random_seed, device=samples.device
        )
        middle = tuple(side // 2 for side in self.context.size)
        body = state[self.level.name].clone()
        body[(slice(None), slice(None), *middle)] = 1
        return Batch(state.replace({self.level.name: body}, samples=samples))

    def evaluation_count(self, split: Split) -> int:
        """Return how many seeds a split has."""
        return self.trials

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return seeds of a split; their sample numbers count down from -1."""
        samples = -1 - index.to(self.target.device)
        return self.training_batch(HostRNG(self.context.random_seed, 0), samples)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the squared differences of the first channel from the target, summed."""
        errors = [(self._grown(state) - self.target).square().sum(dim=(1, 2)) for state in states]
        return {"squared": torch.stack(errors).mean(dim=0)}

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return the share of cells that are right, and of grids whose cells all are."""
        right = wide(((self._grown(state) - self.target).abs() < 0.5).flatten(1))
        whole = torch.full_like(right[:, 0], right.shape[1])
        return {
            "cells right": Share(right.sum(dim=1), whole),
            "grids right": Share.of(right.amin(dim=1)),
        }

    def resize(self, size: Size) -> None:
        """Keep the target in the middle of another grid."""
        super().resize(size)
        self.target = _centred(self.target, size)

    def display(self) -> Display:
        """Return the seed, and the first channel in black and white."""
        seed = self.training_batch(HostRNG(self.context.random_seed, 0), -1 - torch.arange(1)).state
        return Display(seed, ChannelColours(self.level.name, channels=(0, 0, 0)))

    def picture(self, state: State) -> Tensor:
        """Return the first channel as grey."""
        return self._grown(state).unsqueeze(1).float().clamp(0, 1).expand(-1, 3, -1, -1)

    def targets(self, batch: Batch) -> Tensor:
        """Return the target for each sample, `(B, 3, height, width)`."""
        return self.target.expand(batch.state.batch, 3, -1, -1)

    def _grown(self, state: State) -> Tensor:
        return state[self.level.name][:, 0]

    def _loaded(self) -> Tensor:
        """Return the target in the middle of the grid, `(height, width)`.

        Raises:
            TargetError: It cannot be had or used.
        """
        folder, files = self.context.folder, self.context.files
        target = load_target(self.spec, side=self.side, folder=folder, files=files)
        bits = _centred((target[3] > 0.5).float(), self.context.size)
        if not 0 < bits.mean() < 1:
            raise TargetError(
                f"the grid would be all {'white' if bits.any() else 'black'}.",
                where=f"target {self.spec!r} at side {self.side}",
                to_do="choose a target that is opaque here, and transparent there",
            )
        return bits


@register.target("checkerboard")
def checkerboard(
    argument: str, side: int, *, square: Annotated[Count, Le(1 << 13)] = 1
) -> Image.Image:
    """Draw a checkerboard of white and of transparent squares.

    Args:
        argument: Nothing.
        side: Cells along each side.
        square: Cells along each side of a square.

    Raises:
        TargetError: An argument is given.
    """
    refuse_argument("checkerboard", argument)
    places = torch.arange(side) // square
    alpha = ((places.unsqueeze(1) + places) % 2 == 0).byte() * 255
    white = torch.full_like(alpha, 255)
    return Image.fromarray(torch.stack([white, white, white, alpha], dim=2).numpy(), "RGBA")


def _centred(bits: Tensor, size: Size) -> Tensor:
    """Return `(H, W)` in the middle of a grid of another size, cut where it is too large."""
    margins = []
    for want, have in zip(size[::-1], bits.shape[::-1], strict=True):
        margins += [(want - have) // 2, want - have - (want - have) // 2]
    return torch.nn.functional.pad(bits, margins)
