"""Benchmark case: a recipe's automaton on random states, with a loss that needs no data.

A recipe says what there is (levels, rules, grid) and how much of it: batch and steps. Its task is
left out, so that nothing is fetched and nothing but the automaton is timed. The built-in cases
are recipes too: every package of recipes may bring a folder `bench`.
"""

import math
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from nca.checkpoint.find import benchmarks
from nca.checkpoint.read import read_recipe
from nca.checkpoint.reads import TIMED
from nca.engine.automaton import Automaton
from nca.engine.initial import draw_needed
from nca.engine.resample import mask_read
from nca.engine.state import State
from nca.recipe.recipe import Recipe
from nca.suggest import select_named
from nca.types import Size

ALIVE = 0.25
"""The share of cells that live at first, where there is an alive mask."""

AWAKE = 1e-4
"""Standard deviation of weights that would else be zero."""


@dataclass(frozen=True)
class Case:
    """A recipe's automaton at the recipe's size.

    Attributes:
        recipe: Its grid, levels and rules; `[rollout] steps`, the most if there are two; the
            batch of `[train]`, or of `[evaluate]`, or 1 where neither says how many.
        device: Where it runs.
        alive: Share of the cells that live at first, where there is an alive mask.
    """

    recipe: Recipe
    device: torch.device
    alive: float = ALIVE

    @property
    def name(self) -> str:
        """What the case is called: as its recipe."""
        return self.recipe.name

    @property
    def summary(self) -> str:
        """The sentence that the recipe begins with."""
        first = self.recipe.text.partition("\n")[0]
        return first.removeprefix("#").strip() if first.startswith("#") else ""

    @property
    def size(self) -> Size:
        """Cells along each axis of the grid."""
        return self.recipe.tables.grid.size

    @property
    def steps(self) -> int:
        """How many steps a rollout takes."""
        return self.recipe.tables.rollout.steps[1]

    @property
    def batch(self) -> int:
        """How many grids step side by side."""
        tables = self.recipe.tables
        if tables.train:
            return tables.train.batch
        return tables.evaluate.batch if "batch" in tables.evaluate.model_fields_set else 1

    @property
    def cell_steps(self) -> int:
        """How often a cell steps in one rollout, dead ones and those that do not fire included."""
        return self.batch * math.prod(self.size) * self.steps

    def automaton(self) -> Automaton:
        """Return an automaton of its own for whoever asks, always with the same weights."""
        return deepcopy(self._automaton)

    @cached_property
    def _automaton(self) -> Automaton:
        automaton = self.recipe.automaton()
        generator = torch.Generator().manual_seed(self.recipe.tables.random_seed)
        for weight in automaton.parameters():
            # an automaton that stands still hides what a backend gets wrong
            if weight.ndim > 1 and not weight.any():
                nn.init.normal_(weight, std=AWAKE, generator=generator)
        return automaton.to(self.device)

    def first(self) -> State:
        """Return random states: uniform numbers, and zeros wherever no cell shall live.

        Levels whose rules need other numbers, such as cells that are on or off, hold those.

        The living fill a disc (or interval, or ball) in the middle, `alive` of all cells.
        """
        automaton = self._automaton
        state = automaton.seed(self.batch, self.size)
        drawn = {
            name: state.rng.uniform(f"bench/{name}", level.channels, state.size(name))
            for name, level in automaton.layout.items()
        }
        if automaton.alive:
            shown, disc = automaton.alive, _disc(self.size, self.alive, self.device)
            drawn[shown.level][:, shown.channel] += shown.above + 0.1
            covered = {name: mask_read(disc, 1, state.scale(name)) for name in drawn}
            drawn = {name: level * covered[name] for name, level in drawn.items()}
        state = state.replace({name: drawn[name].to(level.dtype) for name, level in state.items()})
        return draw_needed(automaton, state)


def loss_of(automaton: Automaton, state: State) -> Tensor:
    """Return what training shall make small: the mean square of all numbers that can change."""
    ended = automaton.finish(state)
    return torch.stack(
        [ended[name].float().square().mean() for name in automaton.writable_levels]
    ).sum()


def cases(names: Sequence[str], device: torch.device, overrides: Iterable[str] = ()) -> list[Case]:
    """Return the built-in cases of these names, all if none are given.

    Raises:
        NCAError: There is no such case; the nearest is suggested.
        RecipeError: The overrides do not fit one of them.
    """
    paths, changed = select_named("benchmark case", names, benchmarks(), "--case"), tuple(overrides)
    return [Case(read_recipe(str(path), changed, reads=TIMED), device) for path in paths]


def _disc(size: Size, share: float, device: torch.device) -> Tensor:
    """Return 1 for the cells nearest to the middle, 0 for the others: `(1, 1, *space)`."""
    lines = [(torch.arange(side, dtype=torch.float64) + 0.5) / side - 0.5 for side in size]
    grids = torch.meshgrid(*lines, indexing="ij")
    distance = torch.stack([line.square() for line in grids]).sum(dim=0).flatten()
    inside = torch.zeros(distance.numel())
    inside[distance.argsort(stable=True)[: round(share * distance.numel())]] = 1
    return inside.view(1, 1, *size).to(device)
