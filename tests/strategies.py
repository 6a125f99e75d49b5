"""Our inputs as words; those that laws need are in `nca.testing.strategies`."""

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from nca import CellRNG, Layout, Level, State
from nca.testing.strategies import (
    boundaries,
    dtypes,
    fire_rates,
    memories,
    offsets,
    random_seeds,
    topologies,
)
from nca.testing.strategies import grid_sizes as sizes
from nca.testing.strategies import side_lengths as sides

__all__ = [
    "at_most",
    "axes",
    "boundaries",
    "dtypes",
    "fire_rates",
    "layouts",
    "memories",
    "normal",
    "offsets",
    "radii",
    "random_seeds",
    "sides",
    "sizes",
    "states",
    "tensors",
    "topologies",
]


def at_most(count: int) -> settings:
    """Settings for examples that are dear: no more than these, whatever the profile says."""
    return settings(max_examples=min(count, settings.default.max_examples))


def axes() -> SearchStrategy[int]:
    """How many axes a grid has."""
    return st.integers(1, 3)


def radii(high: int = 3) -> SearchStrategy[int]:
    """Reach of a neighbourhood in cells."""
    return st.integers(0, high)


@st.composite
def layouts(draw: st.DrawFn, most: int = 3) -> Layout:
    """One to three levels of one to four channels; the bottom one may be an input."""
    count = draw(st.integers(1, most))
    channels = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    has_input = count > 1 and draw(st.booleans())
    names = ("ground", "middle", "top")
    return Layout([Level(names[i], channels[i], input=has_input and i == 0) for i in range(count)])


@st.composite
def tensors(draw: st.DrawFn, axes: int = 2, high: int = 7) -> Tensor:
    """Normal numbers `(B, C, *space)` in float64, batch and channels from 1 to 3."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *draw(sizes(axes, high=high)))
    return normal(shape, draw(random_seeds()))


@st.composite
def states(draw: st.DrawFn, axes: int | None = None) -> State:
    """Normal numbers in a layout, somewhere in its life: any step, any sample numbers."""
    layout, batch = draw(layouts()), draw(st.integers(1, 4))
    size = draw(sizes(draw(st.integers(1, 3)) if axes is None else axes, high=4))
    random_seed = draw(random_seeds())
    levels = {
        level.name: normal((batch, level.channels, *size), random_seed, level.name)
        for level in layout.values()
    }
    samples = draw(st.lists(st.integers(0, 10**6), min_size=batch, max_size=batch))
    return State(levels, random_seed, draw(st.integers(0, 99)), torch.tensor(samples))


def normal(shape: tuple[int, ...], random_seed: int, stream: str = "test") -> Tensor:
    """Return normal numbers of any shape in float64; the same seed, the same numbers."""
    source = CellRNG(random_seed, 0, torch.arange(1))
    count = int(torch.tensor(shape).prod())
    return source.normal(f"test/{stream}", 1, (count,)).to(torch.float64).view(shape)
