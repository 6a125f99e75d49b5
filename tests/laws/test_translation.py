"""A torus has no centre: to move and then step is to step and then move."""

import pytest
import torch
from bench import Bench, PlaceRule, assert_states_close, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import offsets, random_seeds, sizes

from nca import Alive
from nca.types import Size


def check_moving_commutes_with_stepping(
    place_rule: PlaceRule,
    size: Size = (5, 7, 6),
    offset: Size = (-9, 3, 1),
    steps: int = 1,
    alive: Alive | None = None,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed, alive=alive)
    state = bench.state(random_seed, size)
    bench.assert_awake(automaton, bench.state(random_seed, bench.roomy))

    def move(level: torch.Tensor) -> torch.Tensor:
        return level.roll(bench.size(offset), tuple(range(2, level.ndim)))

    after = automaton.rollout(state, steps, fire_rate=1.0)

    moved = automaton.rollout(state.map(move), steps, fire_rate=1.0)
    assert_states_close(moved, after.map(move))


@pytest.mark.parametrize("name", rule_names())
@given(size=sizes(), offset=offsets(), random_seed=random_seeds())
def test_a_step_commutes_with_translation(name, size, offset, random_seed):
    check_moving_commutes_with_stepping(placed(name), size, offset, random_seed=random_seed)


@pytest.mark.parametrize("name", rule_names())
@few(4)
@given(
    size=sizes(),
    offset=offsets(),
    steps=st.integers(2, 4),
    dead=st.sampled_from(["cleared", "frozen"]),
    random_seed=random_seeds(),
)
def test_a_rollout_with_an_alive_mask_commutes_with_translation(
    name, size, offset, steps, dead, random_seed
):
    alive = Alive("middle", 0, 0.1, dead=dead)
    check_moving_commutes_with_stepping(placed(name), size, offset, steps, alive, random_seed)
