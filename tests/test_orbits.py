"""Whether states come back, on a torus and on a plane that grows."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from simple import one_level

from nca import (
    Automaton,
    Batch,
    Layout,
    Level,
    RuleContext,
    ShapeError,
    State,
    Topology,
    UpdateRule,
    View,
    rollout_on_plane,
)
from nca.analysis import Cycle, Motion, OrbitWatch, PlaneOrbitWatch, population, shift_between
from nca.evaluation.observe import LIVE, Observation, observe
from nca_plugins.discrete.patterns import acorn, diehard, glider, gosper_gun, r_pentomino
from nca_plugins.discrete.table_rule import Discrete, Life

LAYOUT = Layout([Level("cells", 1)])


def life(**settings) -> Automaton:
    return Automaton(LAYOUT, {"cells": [Life(RuleContext(LAYOUT, "cells"))]}, **settings)


def begun(automaton: Automaton, pattern: torch.Tensor, size: tuple[int, int]) -> State:
    """Return a grid with a pattern in its middle."""
    state = automaton.seed(1, size)
    corner = [(side - len_) // 2 for side, len_ in zip(size, pattern.shape[1:], strict=True)]
    inside = [slice(at, at + n) for at, n in zip(corner, pattern.shape[1:], strict=True)]
    state["cells"][0][(slice(None), *inside)] = pattern
    return state


def watched(automaton: Automaton, state: State, steps: int) -> tuple[OrbitWatch, State]:
    orbits = OrbitWatch(wraps=automaton.topology == Topology())
    orbits.show(state.step, state["cells"][0])
    for _ in range(steps):
        state = automaton.step(state)
        orbits.show(state.step, state["cells"][0])
    return orbits, state


@pytest.mark.parametrize(
    ("side", "first", "period", "cells"), [(16, 67, 2, 3), (32, 414, 2, 16), (64, 795, 2, 113)]
)
def test_an_r_pentomino_on_a_torus_ends_in_its_cycle(side, first, period, cells):
    automaton = life()
    orbits, state = watched(automaton, begun(automaton, r_pentomino(), (side, side)), first + 20)
    assert orbits.cycle == Cycle(first, period)
    assert population(state["cells"][0]) == cells


def test_a_glider_moves_and_comes_round_after_four_steps_a_cell():
    automaton = life()
    orbits, _ = watched(automaton, begun(automaton, glider(), (9, 9)), 36)
    assert orbits.motion == Motion(0, 4, (1, 1))
    assert orbits.motion
    assert orbits.motion.speed == 0.25
    assert orbits.cycle == Cycle(0, 36)


def test_where_the_grid_has_edges_nothing_moves_round_them():
    automaton = life(topology=Topology("zeros"))
    orbits, _ = watched(automaton, begun(automaton, glider(), (9, 9)), 60)
    assert orbits.motion is None
    assert orbits.cycle
    assert orbits.cycle.period == 1  # a block in the corner


def test_states_that_never_come_back_have_no_cycle():
    automaton = life()
    orbits, _ = watched(automaton, begun(automaton, r_pentomino(), (40, 40)), 50)
    assert orbits.cycle is None
    assert orbits.motion is None


def test_numbers_are_compared_as_they_are():
    level = torch.rand(2, 5, 7)
    assert shift_between(level, level.roll((2, -3), (1, 2))) == (2, -3)
    assert shift_between(level, torch.rand(2, 5, 7)) is None
    orbits = OrbitWatch()
    for step in range(3):
        orbits.show(step, level.roll(step, 2))
    assert orbits.motion == Motion(0, 1, (0, 1))
    nearly = level.clone()
    nearly[0, 0, 0] += 1e-6
    orbits.show(3, nearly)
    assert orbits.cycle is None


# the plane


@pytest.mark.parametrize(
    ("pattern", "steps", "cells"),
    [
        (diehard, 129, 2),
        (diehard, 130, 0),
        (gosper_gun, 30, 41),
        (gosper_gun, 600, 136),
        (r_pentomino, 1102, 118),
        (r_pentomino, 1103, 116),
        (acorn, 5206, 633),
    ],
)
def test_known_patterns_have_their_future_on_the_plane(pattern, steps, cells):
    first = pattern()
    automaton = life()
    state = automaton.seed(1, first.shape[1:]).replace({"cells": first[None].float()})
    state, _ = rollout_on_plane(automaton, state, steps)
    assert state.step == steps
    assert population(state["cells"][0]) == cells


def test_a_plane_says_where_its_first_cell_lies():
    automaton = life()
    state = automaton.seed(1, (3, 3)).replace({"cells": glider()[None].float()})
    seen = []
    after, origin = rollout_on_plane(automaton, state, 400, lambda s, at: seen.append((s.step, at)))
    rows, columns = (places + at for places, at in zip(_cells(after), origin, strict=True))
    before = _cells(state)
    assert (rows.min() - before[0].min(), columns.min() - before[1].min()) == (100, 100)
    assert [step for step, _ in seen] == [64, 128, 192, 256, 320, 384, 400]
    assert seen[-1][1] == origin


def _cells(state: State) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.nonzero(state["cells"][0, 0], as_tuple=True)  # pyright: ignore


def test_a_plane_on_which_nothing_stays_nothing_is_demanded():
    rule = Discrete(RuleContext(LAYOUT, "cells"), rule="B0/S8")
    automaton = Automaton(LAYOUT, {"cells": [rule]})
    with pytest.raises(ShapeError, match="cells that see nothing but 0 do not stay 0"):
        rollout_on_plane(automaton, automaton.seed(1, (3, 3)), 5)
    edges = life(topology=Topology("zeros"))
    with pytest.raises(ShapeError, match="this grid has edges"):
        rollout_on_plane(edges, edges.seed(1, (3, 3)), 5)


def test_a_plane_grows_for_no_rule_that_sees_further_than_it_says():
    class Spread(UpdateRule):
        def forward(self, view: View) -> torch.Tensor:
            return view.neighbours(view.own, 2).amax(1) - view.own

    automaton = Automaton(LAYOUT, {"cells": [Spread()]})
    with pytest.raises(ShapeError, match='Spread of level "cells" sees 2, not 1'):
        rollout_on_plane(automaton, automaton.seed(1, (3, 3)), 5)


def test_a_plane_that_outgrows_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr("nca.engine.plane.capacity", lambda device: 1 << 16)
    automaton = life()
    state = begun(automaton, glider(), (8, 8))
    with pytest.raises(
        ShapeError, match=r"has grown to a grid of [\d.]+ kB, and there are 65.5 kB"
    ):
        rollout_on_plane(automaton, state, 4000)


def test_a_zero_with_a_sign_is_a_zero_and_what_is_no_number_is_no_fault():
    orbits = OrbitWatch()
    orbits.show(0, torch.tensor([[0.5, 0.0, 0.0]]))
    orbits.show(1, torch.tensor([[0.5, -0.0, 0.0]]))
    assert orbits.cycle == Cycle(0, 1)
    orbits = OrbitWatch()
    for step in range(3):
        orbits.show(step, torch.tensor([[float("nan"), step, -float("inf")]]))
    assert orbits.cycle is None


def test_a_pattern_on_a_plane_is_known_again_wherever_its_grid_begins():
    cells = torch.zeros(1, 4, 5)
    cells[0, 1, 2] = 1
    orbits = PlaneOrbitWatch()
    orbits.show(3, cells, (0, 0))
    orbits.show(4, torch.zeros(1, 4, 5), (0, 0))
    orbits.show(5, torch.nn.functional.pad(cells, (1, 1, 1, 1)), (-1, 1))
    assert orbits.motion == Motion(3, 2, (0, 2))
    orbits = PlaneOrbitWatch()
    orbits.show(0, cells, (0, 0))
    orbits.show(1, torch.nn.functional.pad(cells, (1, 1, 1, 1)), (-1, -1))
    assert orbits.cycle == Cycle(0, 1)


def test_what_dies_is_said_from_the_last_live_cell_on():
    found = Observation(steps=[0, 1, 2, 3, 4], population=[0, 1, 0, 0, 0], mass=[0.0] * 5)
    assert list(found.sentences())[1:] == ["all cells are 0 from step 2 on"]
    empty = Observation(steps=[5, 6], population=[0, 0], mass=[0.0] * 2)
    assert list(empty.sentences())[1:] == ["all cells are 0 from step 5 on"]


class Chance(UpdateRule):
    """Turn cells on or off by numbers of its own, or by the clock; rarely, so that most repeat."""

    def __init__(self, draw) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, view):
        return (self.draw(view) > 0).to(view.own) * (1 - 2 * view.own)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda view: view.chance(1e-9, 1).float(), "a rule draws random numbers"),
        (lambda view: view.own.new_tensor(float(view.step > 99)), "a rule goes by the number of"),
        (lambda view: torch.rand(1) - 2, "a rule draws random numbers"),
        (lambda view: view.own - 2, ""),
    ],
)
@pytest.mark.parametrize("plane", [False, True])
def test_no_period_is_said_of_what_goes_by_chance(draw, words, plane):
    automaton = one_level(Chance(draw), channels=1)
    batch = Batch(State({"body": torch.eye(5)[None, None]}))
    task = SimpleNamespace(first_evaluation_batch=lambda *_: batch)
    trained: Any = SimpleNamespace(automaton=automaton, task=task)
    found = observe(trained, 6, plane=plane)
    said = " ".join(found.sentences())
    assert (f"was not looked for: {words}" in said) == bool(words)
    assert ("nothing changes" in said, found.cycle is None) == (not words, bool(words))


def test_cells_of_numbers_are_counted_beyond_a_threshold_that_is_said():
    level = torch.tensor([[0.0, 1e-6, 0.1, 0.11, -0.5]])
    assert (population(level), population(level, LIVE)) == (4, 2)
    found = Observation(steps=[0, 1], population=[2, 0], mass=[0.7, 0.05])
    first, last = found.sentences()
    assert first.startswith("0 cells beyond 0.1 at step 1, 2 at step 0")
    assert last == "no cell is beyond 0.1 from step 1 on"
