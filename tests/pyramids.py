"""Pyramids: layouts whose levels differ in scale, with rules that read all of them."""

import itertools

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from strategies import normal
from torch import Tensor, nn

from nca import Automaton, Layout, Level, RuleContext, State, UpdateRule, View
from nca.types import Size

NAMES = ("ground", "middle", "top")


class Mix(UpdateRule):
    """Propose a bent sum of what a cell and its neighbours see of all three levels."""

    reads = NAMES

    def __init__(self, context: RuleContext) -> None:
        super().__init__()
        own = context.own.channels
        self.weights = nn.ParameterDict()
        for name in NAMES:
            channels = context.level(name).channels
            shape = (own, channels, *(3,) * context.axes)
            weight = normal(shape, 7, f"{context.name} of {name}")
            self.weights[name] = nn.Parameter(0.3 * weight)

    def forward(self, view: View) -> Tensor:
        """Return the change."""
        seen = [view.correlate(view.level(name), self.weights[name]) for name in NAMES]
        return torch.tanh(sum(seen)) + 0.1 * view.normal(view.own.shape[1]).to(view.own)


def scales() -> SearchStrategy[tuple[int, int, int]]:
    """Scales of three levels, of which one is 1; not always rising."""
    return st.sampled_from([(1, 1, 2), (1, 2, 4), (1, 2, 2), (2, 1, 4), (1, 4, 2), (4, 2, 1)])


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Three levels of some scales, each with its own way to read the others."""
    sizes, ways = draw(scales()), st.sampled_from(["mean", "max", "stack"])
    return Layout(
        [
            Level(name, channels, False, scale, draw(ways), draw(refinements()))
            for name, channels, scale in zip(NAMES, (2, 3, 1), sizes, strict=True)
        ]
    )


def refinements() -> SearchStrategy[str]:
    """How coarser levels are read."""
    return st.sampled_from(["nearest", "bilinear"])


@st.composite
def grids(draw: st.DrawFn, layout: Layout, axes: int) -> Size:
    """A grid of one or a few of the coarsest cells along each axis."""
    most = {1: 5, 2: 3, 3: 2}[axes]
    return tuple(layout.coarsest * draw(st.integers(1, most)) for _ in range(axes))


def automaton_of(layout: Layout, axes: int, **settings: object) -> Automaton:
    """Return an automaton in float64 that mixes all levels."""
    rules = {name: [Mix(RuleContext(layout, name, axes))] for name in layout}
    return Automaton(layout, rules, **settings).double()


def state_of(layout: Layout, size: Size, batch: int = 2, random_seed: int = 0) -> State:
    """Return a state of normal numbers in float64."""
    empty = layout.zeros(batch, size, random_seed=random_seed, dtype=torch.float64)
    return empty.replace({n: normal(tuple(t.shape), random_seed, n) for n, t in empty.items()})


def moved(layout: Layout, state: State, offset: Size) -> State:
    """Return a state on a torus moved by so many of the coarsest cells along each axis."""
    levels = {}
    for name, level in layout.items():
        by = [layout.coarsest // level.scale * cells for cells in offset]
        levels[name] = state[name].roll(by, tuple(range(2, 2 + len(by))))
    return state.replace(levels)


def read_by_hand(level: Tensor, scale: int, reader: Level) -> Tensor:
    """Return one sample of a level, `(C, *space)`, as a reader sees it on a torus, cell by cell."""
    size = [side * scale // reader.scale for side in level.shape[1:]]
    cells = itertools.product(*map(range, size))
    seen = torch.stack([_cell_by_hand(level, scale, reader, cell) for cell in cells], dim=1)
    return seen.unflatten(1, size)


def _cell_by_hand(level: Tensor, scale: int, reader: Level, cell: Size) -> Tensor:
    sides = level.shape[1:]
    if scale <= reader.scale:
        r = reader.scale // scale
        covered = itertools.product(*(range(r * place, r * place + r) for place in cell))
        found = torch.stack([level[:, *each] for each in covered], dim=1)  # (C, cells)
        ways = {"mean": found.mean(1), "max": found.amax(1), "stack": found.flatten()}
        return ways[reader.coarsen]
    r = scale // reader.scale
    if reader.refine == "nearest":
        return level[:, *(place // r for place in cell)]
    total = torch.zeros(len(level), dtype=level.dtype)
    for corner in itertools.product((0, 1), repeat=len(cell)):
        weight, places = 1.0, []
        for place, up, side in zip(cell, corner, sides, strict=True):
            centre = (place + 0.5) / r - 0.5
            first = int(centre // 1)
            share = centre - first
            weight *= share if up else 1 - share
            places.append((first + up) % side)
        total = total + weight * level[:, *places]
    return total
