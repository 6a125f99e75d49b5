"""Steps of bits have the future of dense ones."""

from hypothesis import strategies as st

from nca.backends.bits.stepper import bits_obstacle
from nca.engine.topology import TORUS, Topology
from nca.testing.compare import demand_states_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, random_seeds, topologies
from nca.types import Size

STEPS = 3


def check_bits_have_the_future_of_cells(
    place_rule: PlaceRule,
    size: Size = (4, 5, 3),
    tall: int = 1,
    topology: Topology = TORUS,
    random_seed: int = 0,
) -> None:
    """Demand the same future of steps of bits and dense ones, if the rule is one for bits.

    A grid that is `tall` times as high fills words of several rows.
    """
    harness = Harness(place_rule)
    state = harness.state(random_seed, (tall * size[0], *size[1:]))
    harness.demand_awake(harness.automaton(random_seed), harness.state(random_seed, harness.roomy))
    bits, cells = (
        harness.automaton(random_seed, topology=topology, bits=bits) for bits in (None, False)
    )
    if bits_obstacle(bits.spec, state, 1.0) is None:
        demand_states_close(bits.rollout(state, STEPS), cells.rollout(state, STEPS))


def _why_not(harness: Harness) -> str:
    return bits_obstacle(harness.automaton(0).spec, harness.state(0, (3, 4, 2)), 1.0) or ""


BITS = Law(
    "bits",
    "steps of bits are dense steps",
    check_bits_have_the_future_of_cells,
    lambda harness: {
        "size": grid_sizes(high=7),
        "tall": st.sampled_from([1, 10, 20]),
        "topology": topologies(harness.axes),
        "random_seed": random_seeds(),
    },
    _why_not,
    share=1,
)
