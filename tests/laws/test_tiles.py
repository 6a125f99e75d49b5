"""Steps in tiles have the future, and the gradients, of dense ones."""

import contextlib
from collections.abc import Iterator
from typing import Literal
from unittest.mock import patch

import pytest
import torch
from bench import OWN, Bench, PlaceRule, assert_states_close, placed, rule_names, variants
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_seeds, sizes, topologies
from test_sparse_cells import end_and_gradients, masks
from torch.testing import assert_close

from nca import (
    TORUS,
    Alive,
    Automaton,
    Layout,
    Level,
    Noise,
    RuleContext,
    Topology,
    why_not_tiled,
)
from nca.backends.tiled import part, work
from nca.types import Size
from nca_plugins.growing import Growing


def check_tiles_have_the_future_of_the_grid(
    place_rule: PlaceRule,
    size: Size = (4, 5, 3),
    topology: Topology = TORUS,
    alive: Alive | None = None,
    fire_rate: float = 0.5,
    noise: Noise | None = None,
    few: float = 0.0,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    state = bench.state(random_seed, size)
    bench.assert_awake(bench.automaton(random_seed), bench.state(random_seed, bench.roomy))
    settings = {"topology": topology, "alive": alive, "fire_rate": fire_rate, "noise": noise}
    automata = [
        bench.automaton(random_seed, **settings, step_size=0.7, sparse=False, tiled=tiled)
        for tiled in (False, True)
    ]
    if why_not_tiled(automata[1], state):
        return  # no rule for tiles
    first = automata[0].clear_dead(state) if alive and alive.dead == "cleared" else state
    with small_tiles(few):
        (dense, wanted), (tiled, gradients) = (end_and_gradients(a, first) for a in automata)
    assert_states_close(tiled, dense)
    assert_close(gradients, wanted)


def fits(place_rule: PlaceRule) -> bool:
    """Return whether tiles can compute a rule."""
    bench = Bench(place_rule)
    return why_not_tiled(bench.automaton(0), bench.state(0, (3, 4, 2))) is None


NAMES = [name for name in rule_names() if fits(placed(name))]
VARIANTS = {name: rule for name, rule in variants().items() if fits(rule)}


@contextlib.contextmanager
def small_tiles(few: float) -> Iterator[None]:
    """Cut even small grids, and take cells one by one up to this share of them."""
    shares = ("FEW", "FEW_STENCILS", "FEW_UNITS")
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(work, "CELLS", 6))
        stack.enter_context(patch.object(work, "FEW", few))
        for name in shares:
            stack.enter_context(patch.object(part, name, few))
        yield


def noises() -> st.SearchStrategy[Noise | None]:
    kinds: list[Literal["normal", "uniform"]] = ["normal", "uniform"]
    return st.none() | st.builds(Noise, st.just(0.1), st.sampled_from(kinds))


@pytest.mark.parametrize("name", NAMES)
@given(
    size=sizes(high=5),
    boundaries=st.data(),
    alive=st.none() | masks(),
    fire_rate=st.sampled_from([0.0, 0.5, 1.0]),
    noise=noises(),
    few=st.sampled_from([0.0, 0.4, 2.0]),
    random_seed=random_seeds(),
)
def test_tiles_have_the_future_of_the_grid(
    name, size, boundaries, alive, fire_rate, noise, few, random_seed
):
    topology = boundaries.draw(topologies(Bench(placed(name)).axes))
    check_tiles_have_the_future_of_the_grid(
        placed(name), size, topology, alive, fire_rate, noise, few, random_seed
    )


@pytest.mark.parametrize("few", [0.0, 2.0])
@pytest.mark.parametrize("variant", VARIANTS)
def test_tiles_have_the_future_of_the_grid_with_other_options(variant, few):
    check_tiles_have_the_future_of_the_grid(VARIANTS[variant], few=few)


def test_tiles_compute_the_rules_that_are_perception_and_layers():
    assert {"growing", "self_classifying", "bottom_up", "lateral", "top_down"} <= set(NAMES)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("few", [0.0, 2.0])
def test_any_number_of_axes_will_do(axes, few):
    layout = Layout([Level(OWN, 3)])
    rule = Growing(RuleContext(layout, OWN, axes), hidden=5)
    state = layout.zeros(2, (3, 2, 4)[:axes], dtype=torch.float64)
    state = state.replace({OWN: state.rng.normal("test", 3, state.size(OWN)).double()})
    ends = []
    for tiled in (False, True):
        automaton = Automaton(layout, {OWN: [rule]}, fire_rate=0.5, tiled=tiled).double()
        torch.nn.init.ones_(rule.change.weight)
        with small_tiles(few):
            ends.append(end_and_gradients(automaton, state))
    assert_states_close(ends[1][0], ends[0][0])
    assert_close(ends[1][1], ends[0][1])
