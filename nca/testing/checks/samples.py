"""The samples of a batch do not see each other: together, alone, or in shards of the batch."""

from hypothesis import strategies as st

from nca.engine.conditions import Noise, Skip
from nca.engine.state import State
from nca.testing.compare import demand_moved, demand_same, demand_states_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import fire_rates, grid_sizes, random_seeds
from nca.types import Size

BATCH = 4


def check_samples_do_not_see_each_other(
    place_rule: PlaceRule, size: Size = (4, 5, 3), training: bool = True, random_seed: int = 0
) -> None:
    """Demand that each sample alone has the future that it has in its batch."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed).train(training)
    state = harness.state(random_seed, size)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))

    after = automaton.step(state)

    for sample in range(state.batch):
        alone = slice(sample, sample + 1)
        demand_states_close(automaton.step(state.select(alone)), after.select(alone))


def check_shards_have_the_future_of_the_whole(
    place_rule: PlaceRule,
    cut: int = 1,
    fire_rate: float = 0.5,
    training: bool = True,
    random_seed: int = 0,
) -> None:
    """Demand that a batch cut in two has the future of the whole, also where chance has a part."""
    harness = Harness(place_rule)
    automaton = harness.automaton(
        random_seed, fire_rate=fire_rate, noise=Noise(0.02), skips=[Skip(2, 0.1)]
    ).train(training)
    state = harness.state(random_seed, harness.roomy, batch=BATCH)
    harness.demand_awake(automaton, state)

    whole = automaton.rollout(state, 3)
    shards = [state.select(slice(cut)), state.select(slice(cut, None))]
    joined = State.cat([automaton.rollout(shard, 3) for shard in shards])

    demand_moved(whole, state)
    demand_states_close(joined, whole)
    demand_same(joined.samples, whole.samples, "the numbers of the samples")


BATCHES = Law(
    "batch",
    "the samples of a batch do not see each other",
    check_samples_do_not_see_each_other,
    lambda _: {
        "size": grid_sizes(high=5),
        "training": st.booleans(),
        "random_seed": random_seeds(),
    },
)
SHARDS = Law(
    "shards",
    "a batch in parts has the future of the whole",
    check_shards_have_the_future_of_the_whole,
    lambda _: {
        "cut": st.integers(1, BATCH - 1),
        "fire_rate": fire_rates(),
        "training": st.booleans(),
        "random_seed": random_seeds(),
    },
)
