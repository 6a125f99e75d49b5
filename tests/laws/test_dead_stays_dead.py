"""Life comes from life: away from living cells the dead stay dead."""

from typing import Literal

import pytest
from bench import OWN, Bench, PlaceRule, assert_moved, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import cells, random_seeds
from torch import Tensor
from torch.testing import assert_close

from nca import Alive, Noise
from nca.engine.topology import TORUS
from nca.types import Size

STEPS = 2


def check_dead_stays_dead_away_from_life(
    place_rule: PlaceRule,
    dead: Literal["cleared", "frozen"] = "frozen",
    cell: Size = (0, 0, 0),
    sparse: bool = False,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    alive = Alive(OWN, 0, 0.1, dead=dead)
    automaton = bench.automaton(random_seed, alive=alive, noise=Noise(0.1), sparse=sparse).train()
    size = (9,) * bench.axes
    state = bench.state(random_seed, size)

    # one mature cell; the others are below maturity, whatever else they hold
    planted = tuple(place % 9 for place in bench.size(cell))
    own = state[OWN].clone()
    own[:, 0] = 0.0
    own[(slice(None), 0, *planted)] = 1.0
    if dead == "cleared":
        own *= spread(own[:, :1] > 0.1, 1)
    state = state.replace({OWN: own})
    if dead == "cleared":
        state = automaton.clear_dead(state)
    bench.assert_awake(automaton, state)
    first = state.clone()

    after = automaton.rollout(state, STEPS)

    assert_moved(after, first)
    # a step changes what lives, one cell around the mature, and may make that mature
    beyond = ~spread(own[:, :1] > 0.1, STEPS)
    for name in automaton.writable_levels:
        assert_close(after[name] * beyond, first[name] * beyond, rtol=0, atol=0)


def spread(mask: Tensor, radius: int) -> Tensor:
    return TORUS.maximum(mask.double(), radius) > 0


@pytest.mark.parametrize("name", rule_names())
@few()
@given(
    dead=st.sampled_from(["cleared", "frozen"]),
    cell=cells(),
    sparse=st.booleans(),
    random_seed=random_seeds(),
)
def test_dead_stays_dead_away_from_life(name, dead, cell, sparse, random_seed):
    check_dead_stays_dead_away_from_life(placed(name), dead, cell, sparse, random_seed)
