"""A rule is moved by the levels that it says it reads, and by no other."""

import torch

from nca.errors import ShapeError
from nca.testing.compare import OWN, LawError, NothingTestedError, demand_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, random_seeds
from nca.types import Size


def check_unread_levels_do_not_change_the_change(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    """Demand that other levels, and no others than those that it reads, leave the rule unmoved."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed)
    state = harness.state(random_seed, size)
    change = harness.change(automaton, state)

    def elsewhere(names: set[str]) -> torch.Tensor:
        others = {name: harness.drawn(state, name, "elsewhere") for name in names}
        return harness.change(automaton, state.replace(others))

    if torch.equal(elsewhere(harness.reads), change):
        raise NothingTestedError("what the rule reads does not move it: nothing was tested")
    unread = set(state) - harness.reads
    named = ", ".join(f'"{name}"' for name in sorted(unread))
    demand_close(elsewhere(unread), change, f"with other numbers in {named}, unread, the change")


def check_undeclared_levels_are_refused(place_rule: PlaceRule) -> None:
    """Demand that a rule which declares to read nothing is shown nothing."""
    harness = Harness(place_rule)
    automaton = harness.automaton(0)
    rule = automaton.rules_of(OWN)[0]
    rule.reads = ()
    try:
        automaton.step(harness.state(0, (3, 3, 3)))
    except ShapeError as refusal:
        if "without having said so" in refusal.what:
            return
        raise
    raise LawError("the rule sees levels by another way than its view")


UNREAD = Law(
    "reads",
    "a rule is moved by the levels that it reads alone",
    check_unread_levels_do_not_change_the_change,
    lambda _: {"size": grid_sizes(low=2, high=5), "random_seed": random_seeds()},
)
VIEW = Law(
    "view",
    "a rule sees levels through its view alone",
    check_undeclared_levels_are_refused,
    lambda _: {},
)
