"""Life comes from life: away from living cells the dead stay dead."""

from typing import Literal

from hypothesis import strategies as st
from torch import Tensor

from nca.engine.conditions import Alive, Noise
from nca.engine.topology import TORUS
from nca.testing.compare import OWN, demand_moved, demand_same
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import cells, random_seeds
from nca.types import Size

STEPS = 2


def check_dead_stays_dead_away_from_life(
    place_rule: PlaceRule,
    dead: Literal["cleared", "frozen"] = "frozen",
    cell: Size = (0, 0, 0),
    sparse: bool = False,
    random_seed: int = 0,
) -> None:
    """Demand that one mature cell changes none that are further away than life can reach."""
    harness = Harness(place_rule)
    alive, noise = Alive(OWN, 0, 0.1, dead=dead), Noise(0.1)
    automaton = harness.automaton(random_seed, alive=alive, noise=noise, sparse=sparse).train()
    state = harness.state(random_seed, (9,) * harness.axes)

    # one mature cell; the others are below maturity, whatever else they hold
    planted = tuple(place % 9 for place in harness.size(cell))
    own = state[OWN].clone()
    own[:, 0] = 0.0
    own[(slice(None), 0, *planted)] = 1.0
    if dead == "cleared":
        own *= _spread(own[:, :1] > 0.1, 1)
    state = state.replace({OWN: own})
    if dead == "cleared":
        state = automaton.clear_dead(state)
    harness.demand_awake(automaton, state)
    first = state.clone()

    after = automaton.rollout(state, STEPS)

    demand_moved(after, first)
    # a step changes what lives, one cell around the mature, and may make that mature
    beyond = ~_spread(own[:, :1] > 0.1, STEPS)
    for name in automaton.writable_levels:
        demand_same(after[name] * beyond, first[name] * beyond, f'away from life level "{name}"')


def _spread(mask: Tensor, radius: int) -> Tensor:
    return TORUS.maximum(mask.double(), radius) > 0


LIFE = Law(
    "life",
    "away from living cells the dead stay dead",
    check_dead_stays_dead_away_from_life,
    lambda _: {
        "dead": st.sampled_from(["cleared", "frozen"]),
        "cell": cells(),
        "sparse": st.booleans(),
        "random_seed": random_seeds(),
    },
)
