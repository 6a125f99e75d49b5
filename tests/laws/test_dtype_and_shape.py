"""A change has the dtype and the shape of its level, and so has every later state."""

import pytest
import torch
from bench import OWN, Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import dtypes, random_seeds, sizes

from nca import Alive, Noise, Skip
from nca.types import Size


def check_dtype_and_shape_are_kept(
    place_rule: PlaceRule,
    dtype: torch.dtype = torch.float64,
    size: Size = (4, 5, 3),
    training: bool = True,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    settings = {"fire_rate": 0.5, "noise": Noise(0.1), "skips": [Skip(2, 0.1)]}
    automaton = bench.automaton(random_seed, alive=Alive(OWN, 0, -9.0), **settings)
    automaton = automaton.to(dtype).train(training)
    state = bench.state(random_seed, size).to(dtype)
    bench.assert_awake(automaton, bench.state(random_seed, bench.roomy).to(dtype))

    change = bench.change(automaton, state)
    after = automaton.rollout(state, 2)

    assert (change.dtype, change.shape) == (dtype, state[OWN].shape)
    for name, level in after.items():
        assert (level.dtype, level.shape) == (dtype, state[name].shape), name


@pytest.mark.parametrize("name", rule_names())
@few()
@given(dtype=dtypes(), size=sizes(high=5), training=st.booleans(), random_seed=random_seeds())
def test_dtype_and_shape_are_kept(name, dtype, size, training, random_seed):
    check_dtype_and_shape_are_kept(placed(name), dtype, size, training, random_seed)
