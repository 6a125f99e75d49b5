"""The same random seed gives the same bits, also in two pieces; another one gives others."""

from hypothesis import strategies as st

from nca.engine.conditions import Alive, Noise, Skip
from nca.testing.compare import OWN, demand_moved, demand_same_bits
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import fire_rates, random_seeds


def check_the_random_seed_decides(
    place_rule: PlaceRule,
    seed: int = 0,
    other_seed: int = 1,
    fire_rate: float = 0.5,
    training: bool = True,
) -> None:
    """Demand the same future of the same seed, and another one of another seed."""
    harness = Harness(place_rule)
    automaton = harness.automaton(7, fire_rate=fire_rate, noise=Noise(0.02)).train(training)
    state = harness.state(7, harness.roomy).replace(random_seed=seed)
    harness.demand_awake(automaton, state)

    after = automaton.rollout(state, 3)

    demand_moved(after, state)
    demand_same_bits(automaton.rollout(state, 3), after)
    if other_seed != seed:
        demand_moved(automaton.rollout(state.replace(random_seed=other_seed), 3), after)


def check_a_split_rollout_is_the_same_rollout(
    place_rule: PlaceRule,
    first: int = 2,
    second: int = 3,
    fire_rate: float = 0.5,
    training: bool = True,
    random_seed: int = 0,
) -> None:
    """Demand the same bits of a rollout in two pieces."""
    harness = Harness(place_rule)
    automaton = harness.automaton(
        random_seed,
        fire_rate=fire_rate,
        noise=Noise(0.02),
        alive=Alive(OWN, 0, 0.1),
        skips=[Skip(3, 0.1, at_end=True), Skip(2, 0.2, levels=(OWN,), keep_gain=False)],
    ).train(training)
    state = harness.state(random_seed, harness.roomy)
    harness.demand_awake(automaton, state)

    whole = automaton.rollout(state, first + second)
    halves = automaton.rollout(automaton.rollout(state, first), second)

    demand_moved(whole, state)
    demand_same_bits(halves, whole)
    demand_same_bits(automaton.finish(halves), automaton.finish(whole))


REPLAY = Law(
    "replay",
    "the same random seed gives the same bits",
    check_the_random_seed_decides,
    lambda _: {
        "seed": random_seeds(),
        "other_seed": random_seeds(),
        "fire_rate": fire_rates(),
        "training": st.booleans(),
    },
)
SPLIT = Law(
    "split",
    "a rollout in two pieces is the same rollout",
    check_a_split_rollout_is_the_same_rollout,
    lambda _: {
        "first": st.integers(0, 4),
        "second": st.integers(1, 4),
        "fire_rate": fire_rates(),
        "training": st.booleans(),
        "random_seed": random_seeds(),
    },
)
