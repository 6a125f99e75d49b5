"""A change has the dtype and the shape of its level, and so has every later state."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from nca.engine.conditions import Alive, Noise, Skip
from nca.testing.compare import OWN, demand
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import dtypes, grid_sizes, random_seeds
from nca.types import Size


def check_dtype_and_shape_are_kept(
    place_rule: PlaceRule,
    dtype: torch.dtype = torch.float64,
    size: Size = (4, 5, 3),
    training: bool = True,
    random_seed: int = 0,
) -> None:
    """Demand dtype and shape of the level from a change, and from later states."""
    harness = Harness(place_rule)
    settings = {"fire_rate": 0.5, "noise": Noise(0.1), "skips": [Skip(2, 0.1)]}
    automaton = harness.automaton(random_seed, alive=Alive(OWN, 0, -9.0), **settings)
    automaton = automaton.to(dtype).train(training)
    state = harness.state(random_seed, size).to(dtype)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy).to(dtype))

    change = harness.change(automaton, state)
    after = automaton.rollout(state, 2)

    _demand_kept(change, state[OWN], "the change")
    for name, level in after.items():
        _demand_kept(level, state[name], f'level "{name}"')


def _demand_kept(tensor: Tensor, level: Tensor, what: str) -> None:
    for found, wanted in ((tensor.dtype, level.dtype), (tuple(tensor.shape), tuple(level.shape))):
        demand(found == wanted, f"{what} is {found} in place of {wanted}".replace("torch.", ""))


DTYPE = Law(
    "dtype",
    "a change has the dtype and shape of its level",
    check_dtype_and_shape_are_kept,
    lambda _: {
        "dtype": dtypes(),
        "size": grid_sizes(high=5),
        "training": st.booleans(),
        "random_seed": random_seeds(),
    },
)
