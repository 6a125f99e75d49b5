"""Watch ants walk: nothing to train, something to see and to count.

    nca play langton                 plant ants, paint the ground, go back in time
    nca play langton --set task.ants=5

`plugins/turmites.py` has the rules of ground and ants.
"""

import colorsys

import torch
from torch import Tensor

from nca import (
    Batch,
    ClassColours,
    Display,
    Fault,
    HostRNG,
    OptionError,
    Share,
    State,
    TaskContext,
    WatchedTask,
    register,
)
from nca.types import Count, Samples, Size
from nca_plugins.turmites import HEADINGS, numbers_of_ants

TOLD_APART = 16
"""Colours of the ground that are shown; those beyond begin again with the second."""

ANT = (0.86, 0.15, 0.15)


@register.task("turmite")
class TurmiteTask(WatchedTask):
    """Put ants on an empty ground, and count the cells that they have painted.

    Args:
        setting: The run that the task belongs to.
        ants: How many there are: the first in the middle, heading up; the others wherever, and
            whichever way, chance says.
        ground: The level of the colours; the bottom one unless named.
        level: The level of the ants; the top one unless named.
        trials: How many samples there are, which differ by where their further ants start.
    """

    headline = "painted"
    better = "more"

    def __init__(
        self,
        setting: TaskContext,
        *,
        ants: Count = 1,
        ground: str = "",
        level: str = "",
        trials: Samples = 1,
    ) -> None:
        super().__init__(setting, trials)
        names = list(setting.layout)
        self.ground = setting.grid_level(ground or names[0], "ground")
        self.level = setting.grid_level(level or names[-1], "level")
        self.ants = ants
        faults = []
        if len(setting.size) != 2:
            to_do = "ants walk on two axes: [grid] size = [height, width]"
            faults.append(Fault((), f"does not fit a grid of {list(setting.size)} cells", to_do))
        if self.ground.name == self.level.name:
            to_do = "ground and ants are two levels"
            faults.append(Fault(("level",), f'is "{self.level.name}", the ground', to_do))
        elif self.level.channels < HEADINGS:
            words = f'is "{self.level.name}" of {self.level.channels} channels'
            faults.append(Fault(("level",), words, f"ants need {HEADINGS}, one for each heading"))
        if faults:
            raise OptionError(faults, "TurmiteTask(...)")

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return an empty ground with its ants for each sample number."""
        state = self.context.layout.zeros(
            len(samples), self.context.size, random_seed=draw.random_seed, device=samples.device
        ).replace(samples=samples)
        ants = state[self.level.name].clone()
        height, width = self.context.size
        ants[:, 0, height // 2, width // 2] = 1
        more = min(self.ants - 1, HEADINGS * height * width)
        if more:
            chance = state.rng.uniform("ants", HEADINGS, self.context.size).flatten(1)
            chosen = torch.zeros_like(chance).scatter_(1, chance.topk(more).indices, 1.0)
            ants[:, :HEADINGS] += chosen.view(-1, HEADINGS, height, width).to(ants)
        return Batch(state.replace({self.level.name: ants}))

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return how many cells have another colour than the first, and how many ants there are."""
        painted = state[self.ground.name][:, 0].round() != 0
        ants = numbers_of_ants(state[self.level.name])
        return {
            "painted": Share.of(painted.flatten(1).sum(dim=1)),
            "ants": Share.of(ants.flatten(1).sum(dim=1)),
        }

    def add_seed(self, batch: Batch, cell: Size) -> Batch:
        """Put another ant into a cell, heading up."""
        ants = batch.state[self.level.name].clone()
        ants[(slice(None), 0, *cell)] += 1
        return Batch(batch.state.replace({self.level.name: ants}), batch.truth)

    def display(self) -> Display:
        """Return the ants at their start, and the colours of the ground."""
        first = self.training_batch(HostRNG(self.context.random_seed, 0), -1 - torch.arange(1))
        # the greatest of 2 k x - k * k is that of the colour k nearest to x
        number = torch.arange(TOLD_APART, dtype=torch.float32)
        weight = torch.zeros(TOLD_APART, self.ground.channels)
        weight[:, 0] = 2 * number
        names = tuple(f"colour {k}" for k in range(TOLD_APART))
        look = ClassColours(self.ground.name, weight, -(number**2), names, COLOURS, silent=0)
        return Display(first.state, look, hint="Plant another ant.")

    def picture(self, state: State) -> Tensor:
        """Return the ground in its colours, and the ants in red."""
        colour = state[self.ground.name][:, 0].detach().nan_to_num(0.0).round().long().clamp(min=0)
        shown = torch.where(colour < TOLD_APART, colour, 1 + (colour - 1) % (TOLD_APART - 1))
        ground = COLOURS.to(colour.device)[shown].movedim(-1, 1)
        ants = numbers_of_ants(state[self.level.name].detach()).sum(dim=1, keepdim=True) > 0
        return torch.where(ants, ground.new_tensor(ANT).view(1, 3, 1, 1), ground)


def ground_colours() -> Tensor:
    """Return white, black, and colours as far apart as they come, `(TOLD_APART, 3)`."""
    hues = [(0.58 + 0.618034 * k) % 1 for k in range(TOLD_APART - 2)]
    bright = [colorsys.hsv_to_rgb(hue, 0.6, 0.9 - 0.3 * (k % 2)) for k, hue in enumerate(hues)]
    return torch.tensor([(1.0, 1.0, 1.0), (0.1, 0.1, 0.12), *bright])


COLOURS = ground_colours()
