"""Steps in tiles have the future, and the gradients, of dense ones."""

import contextlib
from collections.abc import Iterator

from hypothesis import strategies as st

from nca.backends.tiled import part, work
from nca.backends.tiled.stepper import why_not_tiled
from nca.engine.conditions import Alive, Noise
from nca.engine.topology import TORUS, Topology
from nca.testing.checks.sparse import demand_gradients_close, end_and_gradients
from nca.testing.compare import demand_states_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, masks, noises, random_seeds, topologies
from nca.types import Size


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
    """Demand the same future and gradients of tiled steps and dense ones, if tiles will do."""
    harness = Harness(place_rule)
    state = harness.state(random_seed, size)
    room = harness.state(random_seed, harness.roomy)
    harness.demand_awake(harness.automaton(random_seed), room)
    settings = {"topology": topology, "alive": alive, "fire_rate": fire_rate, "noise": noise}
    automata = [
        harness.automaton(random_seed, **settings, step_size=0.7, sparse=False, tiled=tiled)
        for tiled in (False, True)
    ]
    if why_not_tiled(automata[1], state):
        return  # no rule for tiles
    first = automata[0].clear_dead(state) if alive and alive.dead == "cleared" else state
    with small_tiles(few):
        (dense, wanted), (tiled, gradients) = (end_and_gradients(a, first) for a in automata)
    demand_states_close(tiled, dense)
    demand_gradients_close(gradients, wanted)


@contextlib.contextmanager
def small_tiles(few: float) -> Iterator[None]:
    """Cut even small grids, and take cells one by one up to this share of them."""
    settings = {
        (work, "CELLS"): 6,
        (work, "FEW"): few,
        **{(part, name): few for name in ("FEW", "ALL_BUT_FEW", "FEW_STENCILS", "FEW_UNITS")},
    }
    before = {place: getattr(*place) for place in settings}
    try:
        for place, value in settings.items():
            setattr(*place, value)
        yield
    finally:
        for place, value in before.items():
            setattr(*place, value)


def _why_not(harness: Harness) -> str:
    return why_not_tiled(harness.automaton(0), harness.state(0, (3, 4, 2))) or ""


TILED = Law(
    "tiled",
    "a step in tiles is the dense step, gradients too",
    check_tiles_have_the_future_of_the_grid,
    lambda harness: {
        "size": grid_sizes(high=5),
        "topology": topologies(harness.axes),
        "alive": st.none() | masks(),
        "fire_rate": st.sampled_from([0.0, 0.5, 1.0]),
        "noise": noises(),
        "few": st.sampled_from([0.0, 0.4, 2.0]),
        "random_seed": random_seeds(),
    },
    _why_not,
    share=1,
)
