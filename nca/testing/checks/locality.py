"""Nothing is faster than one neighbourhood a step, and the edge of the grid is no wall."""

import torch
from torch import Tensor

from nca.testing.compare import NothingTestedError, demand_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import cells, grid_sizes, random_seeds
from nca.types import Size


def check_one_touched_cell_changes_only_its_neighbourhood(
    place_rule: PlaceRule,
    room: Size = (3, 4, 2),
    cell: Size = (0, -1, 0),
    random_seed: int = 0,
) -> None:
    """Demand that cells further away than the rule's radius do not feel a touch."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed)
    # so much larger than a neighbourhood that there is an outside
    size = [2 * harness.radius + 1 + more for more in harness.size(room)]
    state = harness.state(random_seed, size)
    touched = tuple(place % side for place, side in zip(harness.size(cell), size, strict=True))

    def touch(level: Tensor) -> Tensor:
        level = level.clone()
        here = level[(slice(None), slice(None), *touched)]
        # not by as much in every channel: some rules look at the differences alone
        here.copy_(1 - here if harness.binary else here + torch.arange(1, here.shape[1] + 1))
        return level

    change = harness.change(automaton, state)
    moved = harness.change(automaton, state.map(touch))

    if torch.equal(moved, change):
        raise NothingTestedError("the touch was not felt, so that nothing was tested")
    near = _near(touched, size, harness.radius)
    demand_close(
        torch.where(near, change, moved),
        change,
        f"further than {harness.radius} from the touched cell {touched} the change",
    )


def _near(cell: Size, size: list[int], radius: int) -> Tensor:
    """Return which cells of a torus are within a radius of a cell, bool `(*space)`."""
    near = torch.ones(size, dtype=torch.bool)
    for axis, (place, side) in enumerate(zip(cell, size, strict=True)):
        distance = (torch.arange(side) - place).abs()
        reached = torch.minimum(distance, side - distance) <= radius
        near &= reached.view(-1, *(1,) * (len(size) - 1 - axis))
    return near


LOCALITY = Law(
    "locality",
    "a touched cell changes only its neighbourhood",
    check_one_touched_cell_changes_only_its_neighbourhood,
    lambda _: {"room": grid_sizes(low=1, high=4), "cell": cells(), "random_seed": random_seeds()},
)
