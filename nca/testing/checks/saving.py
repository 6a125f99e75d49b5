"""All that a rule has learnt is in its weights: saved, loaded, stepped, the same bits."""

from safetensors.torch import load, save

from nca.testing.compare import demand_moved, demand_same_bits
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, random_seeds
from nca.types import Size


def check_saved_and_loaded_gives_the_same_bits(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    """Demand that a rule whose weights are loaded into another one has the same future."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed)
    state = harness.state(random_seed, size)
    room = harness.state(random_seed, harness.roomy)
    harness.demand_awake(automaton, room)
    after = automaton.rollout(state, 2)

    saved = save({name: tensor.contiguous() for name, tensor in automaton.state_dict().items()})
    other = harness.automaton(random_seed + 1)
    if list(other.parameters()):
        # what is not loaded makes a difference
        demand_moved(other.rollout(room, 2), automaton.rollout(room, 2))
    other.load_state_dict(load(saved))

    demand_same_bits(other.rollout(state, 2), after)


SAVING = Law(
    "saving",
    "saved, loaded and stepped: the same bits",
    check_saved_and_loaded_gives_the_same_bits,
    lambda _: {"size": grid_sizes(high=5), "random_seed": random_seeds()},
)
