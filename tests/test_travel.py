"""How far a pattern travels: measured on a torus, and made more by gradient."""

from pathlib import Path

import pytest
import torch
from strategies import normal
from torch.testing import assert_close

from nca import Automaton, Layout, Level, OptionError, RuleContext, TaskContext
from nca.engine.rng import HostRNG
from nca_plugins.lenia.lenia import Lenia
from nca_plugins.lenia.travel import Travel, place_on_torus

LAYOUT = Layout([Level("world", 1)])


def travel(size=(64, 64), layout=LAYOUT, **options) -> Travel:
    return Travel(TaskContext(layout, size, Path()), **{"pattern": "orbium", **options})


def first(task: Travel):
    return task.training_batch(HostRNG(0, 0), torch.arange(2))


def test_a_pattern_stands_in_the_middle_of_an_empty_grid():
    state = first(travel((24, 30))).state
    assert state["world"].shape == (2, 1, 24, 30)
    assert_close(state["world"][:, :, 2:22, 5:25], travel().pattern.expand(2, -1, -1, -1))
    assert state["world"].sum().item() == pytest.approx(2 * 75.1, rel=1e-5)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_place_moves_as_the_cells_do(axes):
    size, offset = (16, 20, 12)[:axes], (3, -4, 2)[:axes]
    cells = normal((2, 1, *size), 0, "cells").square()
    dims = tuple(range(2, 2 + axes))
    way = place_on_torus(cells.roll(offset, dims)) - place_on_torus(cells)
    sides = torch.tensor(size, dtype=torch.float64)
    way = torch.remainder(way + sides / 2, sides) - sides / 2
    assert_close(way, torch.tensor(offset, dtype=torch.float64).expand(2, -1))


def test_speed_is_the_way_across_the_edge_by_the_steps():
    task = travel()
    before = first(task).state
    after = before.map(lambda cells: cells.roll((24, -18), (2, 3))).replace(step=10)
    assert_close(task.speed(before, after), torch.full((2,), 3.0))


def test_what_has_grown_is_not_fast():
    task = travel(mass=0.1)
    batch = first(task)
    moved = batch.state.map(lambda cells: cells.roll(5, 2)).replace(step=10)
    grown = moved.map(lambda cells: 1.5 * cells)
    assert task.measure(moved, batch)["speed"].part.tolist() == pytest.approx([0.5, 0.5])
    assert task.measure(grown, batch)["speed"].part.tolist() == [0, 0]
    terms = task.loss([grown], batch)
    assert_close(terms["mass"], torch.full((2,), 4 * (0.5 - 0.1)))
    assert_close(terms["slowness"], torch.full((2,), -0.5))


def test_speed_is_measured_on_a_wider_grid():
    (batch,) = travel((32, 300), side=100).evaluation_batches("test", 4)
    assert batch.state["world"].shape == (1, 1, 100, 300)


def test_a_step_along_the_gradient_makes_orbium_faster():
    task = travel((48, 48))
    rule = Lenia(RuleContext(LAYOUT, "world"), learned=True)
    automaton = Automaton(LAYOUT, {"world": [rule]})
    with torch.no_grad():
        start = automaton.rollout(first(task).state, 60)

    def loss():
        batch = first(task)
        terms = task.loss([automaton.rollout(start, 24)], type(batch)(start, batch.truth))
        return torch.stack(list(terms.values())).sum(dim=0).mean()

    before = loss()
    before.backward()
    with torch.no_grad():
        for weight in automaton.parameters():
            weight -= 0.01 * weight.grad.sign()
        assert loss() < before - 1e-3
    assert rule.mean < 0.15


@pytest.mark.parametrize(
    ("size", "options", "words"),
    [
        ((64, 64), {"pattern": "orbeum"}, "orbium"),
        ((16, 64), {}, r"at most \[16, 64\] cells"),
        ((64,), {}, r"1 channels and \[20, 20\] cells"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(size, options, words):
    with pytest.raises(OptionError, match=words):
        travel(size, **options)


def test_a_level_of_other_channels_is_refused():
    with pytest.raises(OptionError, match="a pattern of 2 channels"):
        travel(layout=Layout([Level("world", 2)]))


def test_the_picture_is_grey():
    task = travel()
    picture = task.picture(first(task).state)
    assert picture.shape == (2, 3, 64, 64)
    assert task.display().first["world"].shape == (1, 1, 64, 64)
