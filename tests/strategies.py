"""Our inputs as words."""

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from nca import ActivationMemory, CellRNG, Layout, Level, State, Topology
from nca.types import Boundary, Size


def sides(low: int = 1, high: int = 7) -> SearchStrategy[int]:
    """Cells along one axis, also fewer than a neighbourhood is wide."""
    return st.integers(low, high)


def axes() -> SearchStrategy[int]:
    """How many axes a grid has."""
    return st.integers(1, 3)


def sizes(axes: int = 3, low: int = 1, high: int = 7) -> SearchStrategy[Size]:
    """Sides of a grid, unequal as a rule."""
    return st.tuples(*[sides(low, high)] * axes)


def offsets(axes: int = 3) -> SearchStrategy[Size]:
    """Cells to move along each axis, either way, also further than the side."""
    return st.tuples(*[st.integers(-20, 20)] * axes)


def laps(axes: int = 3) -> SearchStrategy[Size]:
    """How often a grid is repeated along each axis, and along the first more than once."""
    return st.tuples(st.integers(2, 3), *[st.integers(1, 2)] * (axes - 1))


def cells(axes: int = 3) -> SearchStrategy[Size]:
    """A cell of any grid, once each coordinate is reduced by the side; corners are likely."""
    return st.tuples(*[st.sampled_from([0, -1]) | st.integers(0, 20)] * axes)


def radii(high: int = 3) -> SearchStrategy[int]:
    """Reach of a neighbourhood in cells."""
    return st.integers(0, high)


def boundaries() -> SearchStrategy[Boundary]:
    """What lies beyond the last cell of an axis."""
    return st.sampled_from(["torus", "zeros", "reflect", "replicate"])


def topologies(axes: int) -> SearchStrategy[Topology]:
    """One boundary for all axes, or one for each of so many."""
    return st.builds(Topology, boundaries() | st.tuples(*[boundaries()] * axes))


def random_seeds() -> SearchStrategy[int]:
    """Any random seed: small ones, and those beyond 32 bits."""
    return st.integers(0, 9) | st.integers(0, 2**64 - 1)


def fire_rates() -> SearchStrategy[float]:
    """Chances that leave something to chance."""
    return st.sampled_from([0.1, 0.25, 0.5, 0.9])


def memories() -> SearchStrategy[ActivationMemory]:
    """What may be kept of a rollout for its gradient, short of everything."""
    segments = st.builds(ActivationMemory, st.just("segments"), st.none() | st.integers(1, 4))
    return st.just(ActivationMemory("recompute")) | segments


def dtypes() -> SearchStrategy[torch.dtype]:
    """Dtypes in which states are held."""
    return st.sampled_from([torch.float32, torch.float64])


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
