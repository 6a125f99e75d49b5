"""Discrete automata against published facts, each on a torus that its pattern does not get around.

Acorn and Lidka, whose gliders fly for thousands of steps, are left to grids that grow.
"""

import pytest
import torch

from nca import Automaton, Layout, Level, RuleContext, State, registry
from nca_plugins.discrete.patterns import RUNS

CELLS = Layout([Level("cells", 1)])


def automaton(rule: str, axes: int = 2) -> Automaton:
    place = RuleContext(CELLS, "cells", axes)
    return Automaton(CELLS, {"cells": [registry.get("rule", "discrete")(place, rule=rule)]})


def first(pattern: str, side: int) -> State:
    cells = registry.get("pattern", pattern)()[0]
    grid = torch.zeros(1, 1, side, side)
    top, left = ((side - extent) // 2 for extent in cells.shape)
    grid[0, 0, top : top + cells.shape[0], left : left + cells.shape[1]] = cells
    return State({"cells": grid})


def population(state: State) -> int:
    return int((state["cells"] > 0.5).sum())


def rows(rule: str, count: int) -> list[str]:
    """Return rows of cells from one that is on, wide enough for all of them."""
    width = 2 * count + 1
    cell = torch.zeros(1, 1, width)
    cell[..., width // 2] = 1
    states = automaton(rule, 1).trajectory(State({"cells": cell}), count - 1)
    return ["".join(str(int(n)) for n in state["cells"].flatten()) for state in states]


# Life


@pytest.mark.parametrize("side", [9, 16, 23])
def test_a_glider_is_back_after_four_times_the_side(side):
    life, begin = automaton("B3/S23"), first("glider", side)
    after = life.rollout(begin, 4 * side)
    assert after["cells"].equal(begin["cells"])
    assert not life.rollout(begin, 4 * side - 4)["cells"].equal(begin["cells"])


@pytest.mark.parametrize(("side", "begin", "cells"), [(16, 67, 3), (32, 414, 16), (64, 795, 113)])
def test_the_r_pentomino_falls_into_its_cycle(side, begin, cells):
    life = automaton("B3/S23")
    before = life.rollout(first("r_pentomino", side), begin - 1)
    one, two, three, four = life.trajectory(before, 3)
    assert population(two) == cells
    assert two["cells"].equal(four["cells"])
    assert not two["cells"].equal(three["cells"])
    assert not one["cells"].equal(three["cells"])


@pytest.mark.parametrize(
    ("side", "begin", "period", "cells"), [(128, 758, 512, 149), (256, 2695, 1024, 155)]
)
def test_on_large_tori_a_glider_of_the_r_pentomino_comes_round(side, begin, period, cells):
    life = automaton("B3/S23")
    before = life.rollout(first("r_pentomino", side), begin - 1)
    cycle = life.step(before)
    assert population(cycle) == cells
    assert life.rollout(cycle, period)["cells"].equal(cycle["cells"])
    assert not life.rollout(before, period)["cells"].equal(before["cells"])
    assert not life.rollout(cycle, period // 2)["cells"].equal(cycle["cells"])


def test_the_r_pentomino_settles_after_1103_steps():
    life = automaton("B3/S23")
    state = life.rollout(first("r_pentomino", 704), 1102)
    assert [population(s) for s in life.trajectory(state, 2)] == [118, 116, 116]


@pytest.mark.parametrize(
    ("pattern", "step", "cells"),
    [
        ("pi_heptomino", 173, 55),
        ("b_heptomino", 148, 28),
        ("thunderbird", 243, 46),
        ("century", 103, 15),
    ],
)
def test_a_small_pattern_settles_when_it_is_known_to(pattern, step, cells):
    life = automaton("B3/S23")
    states = list(life.trajectory(first(pattern, 128), step + 3))
    assert [population(state) for state in states[step:]] == [cells] * 4
    assert not states[step - 1]["cells"].equal(states[step + 1]["cells"])


def test_diehard_is_gone_after_130_steps():
    life = automaton("B3/S23")
    nearly = life.rollout(first("diehard", 64), 129)
    assert population(nearly) == 2
    assert population(life.step(nearly)) == 0


def test_gospers_gun_fires_every_thirty_steps():
    life, state = automaton("B3/S23"), first("gosper_gun", 128)
    assert population(state) == 36
    for step in range(30, 301, 30):
        state = life.rollout(state, 30)
        assert population(state) == 36 + step // 6


def test_a_pulsar_has_period_three_and_a_spaceship_moves():
    life, pulsar = automaton("B3/S23"), first("pulsar", 24)
    states = list(life.trajectory(pulsar, 3))
    assert [population(state) for state in states] == [48, 56, 72, 48]
    assert states[3]["cells"].equal(pulsar["cells"])
    ship = first("lwss", 20)
    moved = life.rollout(ship, 4)["cells"]
    assert moved.equal(ship["cells"].roll(-2, 3))


def test_patterns_have_as_many_cells_as_is_said():
    known = {"acorn": 7, "diehard": 7, "lidka": 13, "r_pentomino": 5, "lwss": 9}
    for name, cells in known.items():
        assert int(registry.get("pattern", name)().sum()) == cells
    assert registry.get("pattern", "lidka")().shape == (1, 15, 9)
    assert set(registry.names("pattern")) >= set(RUNS)


# its kin


def test_the_replicator_of_highlife_counts_in_powers_of_two():
    highlife, state = automaton("B36/S23"), first("highlife_replicator", 128)
    counts = [population(state := highlife.rollout(state, 12)) for _ in range(8)]
    assert counts == [24, 24, 48, 24, 48, 48, 96, 24]


def test_a_glider_of_brians_brain_moves_up_in_every_step():
    begin = first("brain_glider", 12)
    after = automaton("Brian's Brain").rollout(begin, 5)
    assert after["cells"].equal(begin["cells"].roll(-5, 2))


def test_a_clock_of_wireworld_sends_an_electron_every_ten_steps():
    wires = automaton("WireWorld")
    state = wires.rollout(first("wireworld_clock", 20), 40)
    assert wires.rollout(state, 10)["cells"].equal(state["cells"])
    heads = [int((s["cells"] == 1).sum()) for s in wires.trajectory(state, 9)]
    assert len(set(heads)) > 1


def test_a_diode_of_wireworld_lets_electrons_pass_one_way():
    wires, state = automaton("WireWorld"), first("wireworld_diodes", 30)
    live = (state["cells"][0, 0] > 0).nonzero()
    (top, _), right = live.amin(dim=0).tolist(), int(live[:, 1].max())
    passed = [0, 0]
    for _ in range(200):
        state = wires.step(state)
        for wire in (0, 1):
            passed[wire] += int(state["cells"][0, 0, top + 1 + 6 * wire, right] == 1)
    assert passed == [19, 0]


# rows of cells


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ("W30", [1, 7, 25, 111, 401, 1783, 6409, 28479]),
        ("W90", [1, 5, 17, 85, 257, 1285]),
        ("W110", [1, 6, 28, 104, 496, 1568, 7360]),
        ("W150", [1, 7, 21, 107, 273, 1911]),
    ],
)
def test_rows_read_as_numbers(rule, numbers):
    """Row n as the 2 n + 1 cells that n steps can reach."""
    found = rows(rule, len(numbers))
    middle = len(found[0]) // 2
    assert [int(row[middle - n : middle + n + 1], 2) for n, row in enumerate(found)] == numbers


@pytest.mark.parametrize(
    ("rule", "counts"),
    [
        ("W30", [1, 3, 3, 6, 4, 9, 5, 12, 7, 12, 11, 14, 12, 19, 13, 22, 15, 19, 20, 24]),
        ("W54", [1, 3, 2, 6, 3, 9, 4, 12]),
        ("W90", [2 ** n.bit_count() for n in range(20)]),
        ("W110", [1, 2, 3, 3, 5, 3, 5, 6, 8, 5, 6, 8]),
    ],
)
def test_cells_that_are_on_by_row(rule, counts):
    assert [row.count("1") for row in rows(rule, len(counts))] == counts


def test_the_centre_column_of_rule_30():
    cell = torch.zeros(1, 1, 2001)
    cell[..., 1000] = 1
    states = automaton("W30", 1).trajectory(State({"cells": cell}), 999)
    column = "".join(str(int(state["cells"][0, 0, 1000])) for state in states)
    assert column.startswith("1101110011000101100100111010111001110101")
    assert column.count("1") == 481


def test_all_elementary_rules_are_what_a_plain_loop_makes():
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(2, (37,), generator=generator).tolist()
    for number in range(256):
        wanted = [
            number >> (4 * row[n - 1] + 2 * row[n] + row[(n + 1) % len(row)]) & 1
            for n in range(len(row))
        ]
        for name, options in (
            ("elementary", {"number": number}),
            ("discrete", {"rule": f"W{number}"}),
        ):
            rule = registry.get("rule", name)(RuleContext(CELLS, "cells", 1), **options)
            after = Automaton(CELLS, {"cells": [rule]}).step(
                State({"cells": torch.tensor(row).float()[None, None]})
            )
            assert after["cells"].flatten().tolist() == wanted, (name, number)
