"""Nothing is faster than one neighbourhood a step, and the edge of the grid is no wall."""

import pytest
import torch
from bench import Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from strategies import cells, random_seeds, sizes
from torch.testing import assert_close

from nca.types import Size


def check_one_touched_cell_changes_only_its_neighbourhood(
    place_rule: PlaceRule,
    room: Size = (3, 4, 2),
    cell: Size = (0, -1, 0),
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)
    automaton = bench.automaton(random_seed)
    # so much larger than a neighbourhood that there is an outside
    size = [2 * bench.radius + 1 + more for more in bench.size(room)]
    state = bench.state(random_seed, size)
    touched = tuple(place % side for place, side in zip(bench.size(cell), size, strict=True))

    def touch(level: torch.Tensor) -> torch.Tensor:
        level = level.clone()
        here = level[(slice(None), slice(None), *touched)]
        # not by as much in every channel: some rules heed the differences alone
        here.copy_(1 - here if bench.binary else here + torch.arange(1, here.shape[1] + 1))
        return level

    change = bench.change(automaton, state)
    difference = (bench.change(automaton, state.map(touch)) - change).abs()  # (B, C, *space)

    near = torch.ones(size, dtype=torch.bool)
    for axis, (place, side) in enumerate(zip(touched, size, strict=True)):
        distance = (torch.arange(side) - place).abs()
        reached = torch.minimum(distance, side - distance) <= bench.radius
        near &= reached.view(-1, *(1,) * (bench.axes - 1 - axis))
    assert difference.amax() > 0, "the touch was not felt, so nothing was tested"
    assert_close(difference * ~near, torch.zeros_like(difference))


@pytest.mark.parametrize("name", rule_names())
@few()
@given(room=sizes(low=1, high=4), cell=cells(), random_seed=random_seeds())
def test_one_touched_cell_changes_only_its_neighbourhood(name, room, cell, random_seed):
    check_one_touched_cell_changes_only_its_neighbourhood(placed(name), room, cell, random_seed)
