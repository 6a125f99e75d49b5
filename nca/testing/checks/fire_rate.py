"""As many cells fire as the fire rate says, and a cell fires with all of its channels."""

from nca.engine.conditions import Noise
from nca.testing.compare import OWN, NothingTestedError, demand, demand_close, demand_same
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import fire_rates, grid_sizes, random_seeds
from nca.types import Size

SIZES = {1: (400,), 2: (20, 20), 3: (8, 7, 7)}


def check_the_observed_fire_rate_matches(
    place_rule: PlaceRule, fire_rate: float = 0.25, random_seed: int = 0
) -> None:
    """Demand that cells fire as often as they should, with all channels."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed)
    state = harness.state(random_seed, SIZES[harness.axes])

    before = state[OWN].clone()
    everywhere = automaton.step(state.clone(), fire_rate=1.0)[OWN] - before
    somewhere = automaton.step(state.clone(), fire_rate=fire_rate)[OWN] - before

    movable = (everywhere != 0).any(dim=1, keepdim=True)
    fired = (somewhere != 0).any(dim=1, keepdim=True)
    cells = int(movable.sum())
    if cells <= 100:
        raise NothingTestedError("the rule stands still nearly everywhere: nothing was tested")
    # all channels or none, and by as much
    demand_close(somewhere, everywhere * fired, "the change of the cells that fire")
    # five standard deviations: one fair rule in two million is wronged
    spread = 5 * (cells * fire_rate * (1 - fire_rate)) ** 0.5
    share = int(fired.sum()) / cells
    demand(abs(share - fire_rate) * cells <= spread, f"{share:.0%} of the cells fire")


def check_fire_rate_zero_changes_nothing(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    """Demand that nothing changes where no cell fires, whatever rule and noise propose."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed, noise=Noise(0.5)).train()
    state = harness.state(random_seed, size)

    still = automaton.rollout(state.clone(), 2, fire_rate=0.0)

    harness.demand_awake(automaton, harness.state(random_seed, harness.roomy))
    for name, level in state.items():
        demand_same(still[name], level, f'level "{name}"')


FIRE_RATE = Law(
    "fire-rate",
    "as many cells fire as should, with all channels",
    check_the_observed_fire_rate_matches,
    lambda _: {"fire_rate": fire_rates(), "random_seed": random_seeds()},
)
FIRE_RATE_ZERO = Law(
    "fire-rate-zero",
    "where no cell fires nothing changes",
    check_fire_rate_zero_changes_nothing,
    lambda _: {"size": grid_sizes(high=5), "random_seed": random_seeds()},
)
