"""A torus has no centre: to move and then step is to step and then move."""

from hypothesis import strategies as st
from torch import Tensor

from nca.engine.conditions import Alive
from nca.testing.compare import OWN, demand_states_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, offsets, random_seeds
from nca.types import Size


def check_moving_commutes_with_stepping(
    place_rule: PlaceRule,
    size: Size = (5, 7, 6),
    offset: Size = (-9, 3, 1),
    steps: int = 1,
    alive: Alive | None = None,
    random_seed: int = 0,
) -> None:
    """Demand that a moved state has the moved future."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed, alive=alive)
    state = harness.state(random_seed, size)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))

    def move(level: Tensor) -> Tensor:
        return level.roll(harness.size(offset), tuple(range(2, level.ndim)))

    after = automaton.rollout(state, steps, fire_rate=1.0)

    moved = automaton.rollout(state.map(move), steps, fire_rate=1.0)
    demand_states_close(moved, after.map(move))


TRANSLATION = Law(
    "translation",
    "to move and then step is to step and then move",
    check_moving_commutes_with_stepping,
    lambda _: {"size": grid_sizes(), "offset": offsets(), "random_seed": random_seeds()},
    share=1,
)
TRANSLATION_ALIVE = Law(
    "translation-alive",
    "the same of a rollout with an alive mask",
    check_moving_commutes_with_stepping,
    lambda _: {
        "size": grid_sizes(),
        "offset": offsets(),
        "steps": st.integers(2, 4),
        "alive": st.sampled_from([Alive(OWN, 0, 0.1, dead=d) for d in ("cleared", "frozen")]),
        "random_seed": random_seeds(),
    },
    share=4,
)
