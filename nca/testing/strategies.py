"""Inputs of laws as words, each a strategy of Hypothesis; small ones come first and shrink well."""

from typing import Literal

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nca.engine.activation_memory import ActivationMemory
from nca.engine.conditions import Alive, Noise
from nca.engine.topology import Topology
from nca.testing.compare import OWN
from nca.types import Boundary, Size

ABOVE = (9.0, 1.5, 0.5, -0.5, -9.0)
"""Thresholds of life: from no cell lives to all do."""


def side_lengths(low: int = 1, high: int = 7) -> SearchStrategy[int]:
    """Cells along one axis, also fewer than a neighbourhood is wide."""
    return st.integers(low, high)


def grid_sizes(axes: int = 3, low: int = 1, high: int = 7) -> SearchStrategy[Size]:
    """Sides of a grid, unequal as a rule."""
    return st.tuples(*[side_lengths(low, high)] * axes)


def offsets(axes: int = 3) -> SearchStrategy[Size]:
    """Cells to move along each axis, either way, also further than the side."""
    return st.tuples(*[st.integers(-20, 20)] * axes)


def laps(axes: int = 3) -> SearchStrategy[Size]:
    """How often a grid is repeated along each axis, and along the first more than once."""
    return st.tuples(st.integers(2, 3), *[st.integers(1, 2)] * (axes - 1))


def cells(axes: int = 3) -> SearchStrategy[Size]:
    """A cell of any grid, once each coordinate is reduced by the side; corners are likely."""
    return st.tuples(*[st.sampled_from([0, -1]) | st.integers(0, 20)] * axes)


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
def masks(draw: st.DrawFn) -> Alive:
    """Alive masks of the rule's own level, of an input, and of a level that stands still."""
    dead: Literal["cleared", "frozen"] = draw(st.sampled_from(["cleared", "frozen"]))
    level = draw(st.sampled_from([OWN, "under", "over"]))
    return Alive(level, 0, draw(st.sampled_from(ABOVE)), draw(st.integers(0, 2)), dead)


def noises() -> SearchStrategy[Noise | None]:
    """No noise, or some of either kind."""
    kinds: list[Literal["normal", "uniform"]] = ["normal", "uniform"]
    return st.none() | st.builds(Noise, st.just(0.1), st.sampled_from(kinds))
