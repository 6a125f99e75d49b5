"""A step makes a new state: what a rule is shown stays as it was, and so does every input."""

import torch
from hypothesis import strategies as st

from nca.engine.conditions import Alive, Noise, Skip
from nca.engine.stepper import channels_last
from nca.engine.watch import watched_looks
from nca.testing.compare import OWN, demand, demand_moved, demand_same, demand_same_bits
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, random_seeds
from nca.types import Size


def check_a_step_leaves_the_old_state_untouched(
    place_rule: PlaceRule, size: Size = (4, 5, 3), steps: int = 1, random_seed: int = 0
) -> None:
    """Demand that a state has the same bits after steps as before."""
    harness = Harness(place_rule)
    settings = {"noise": Noise(0.1), "skips": [Skip(2, 0.1)]}
    automaton = harness.automaton(random_seed, **settings).train()
    state = automaton.step(harness.state(random_seed, size))  # with something remembered
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))
    before = state.clone()

    after = automaton.rollout(state, steps)

    demand_moved(after, before)
    demand_same_bits(state, before)


@torch.no_grad()
def check_nothing_that_is_shown_is_written_into(
    place_rule: PlaceRule, size: Size = (4, 5, 3), training: bool = True, random_seed: int = 0
) -> None:
    """Demand that a rule writes neither into levels nor into what rules see of their neighbours."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed).train(training)
    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))
    state = harness.state(random_seed, size)
    # channels laid out as a step lays them out
    for look in watched_looks(automaton.spec, state.map(channels_last)):
        demand(not look.written, f"the rule writes into {', '.join(look.written)}")


def check_input_levels_never_change(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    """Demand that no step, noise or skip connection changes an input level."""
    harness = Harness(place_rule)
    automaton = harness.automaton(
        random_seed,
        fire_rate=0.5,
        noise=Noise(0.1),
        alive=Alive(OWN, 0, -9.0),
        skips=[Skip(2, 0.1, at_end=True)],
    ).train()
    state = harness.state(random_seed, size)
    harness.demand_awake(automaton, state)
    before = state.clone()

    after = automaton.finish(automaton.rollout(state, 3))

    demand_moved(after, before)
    for name, level in harness.layout.items():
        if level.input:
            demand_same(after[name], before[name], f'the input level "{name}"')


OLD_STATE = Law(
    "old-state",
    "a step leaves the old state as it was",
    check_a_step_leaves_the_old_state_untouched,
    lambda _: {
        "size": grid_sizes(high=5),
        "steps": st.integers(1, 3),
        "random_seed": random_seeds(),
    },
)
SHOWN = Law(
    "shown",
    "a rule writes into nothing that it is shown",
    check_nothing_that_is_shown_is_written_into,
    lambda _: {
        "size": grid_sizes(high=5),
        "training": st.booleans(),
        "random_seed": random_seeds(),
    },
)
INPUTS = Law(
    "inputs",
    "input levels never change",
    check_input_levels_never_change,
    lambda _: {"size": grid_sizes(low=2, high=5), "random_seed": random_seeds()},
)
