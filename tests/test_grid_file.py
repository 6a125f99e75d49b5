"""A grid on disk, stepped tile by tile, has the future of the whole."""

from collections import namedtuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from observed import Observed
from sharding_case import LAYOUT, PYRAMID, automaton, first
from simple import Scale, one_level
from strategies import random_seeds
from torch.testing import assert_close

from nca import (
    Alive,
    Automaton,
    GridFile,
    Layout,
    Level,
    NCAError,
    RuleContext,
    ShapeError,
    Skip,
    State,
    StorageError,
    stream,
)
from nca.engine.reach import reach
from nca.registry.registry import registry
from nca.streaming import grid_file
from nca.validation.arguments import takes_context

EXACT = {"rtol": 0, "atol": 1e-10}


def streamed(
    made: Automaton, state: State, folder, steps: int, dtype=torch.float64, **how
) -> GridFile:
    """Return a grid on disk, some steps after it has held a state of one sample."""
    size = state.grid_size
    kept = GridFile.create(folder, made.layout, size, dtype=dtype, random_seed=state.random_seed)
    kept.write((0,) * len(size), state)
    return stream(made, kept, steps, **how)


def whole(kept: GridFile) -> State:
    return kept.read((0,) * len(kept.size), kept.size)


@pytest.mark.parametrize(
    ("radius", "boundary", "dead", "sparse"),
    [
        (1, "torus", "cleared", False),
        (1, "torus", "frozen", True),
        (2, "zeros", "cleared", None),
        (2, ("torus", "reflect"), None, None),
        (3, "replicate", "cleared", None),
    ],
)
def test_tiles_have_the_future_of_the_whole(tmp_path, radius, boundary, dead, sparse):
    made = automaton(radius, boundary, dead, None)
    made.skips, made.sparse = (), sparse
    state = first((13, 9), batch=1).detach().replace(step=0, samples=torch.zeros(1).long())
    wanted = made.rollout(state, 5)
    assert not torch.equal(wanted["body"], state["body"])
    for tile, halo in ((4, 2), (5, 1), (100, 3), (3, 9)):
        kept = streamed(made, state, tmp_path, 5, tile=tile, halo=halo)
        assert kept.step == 5
        assert_close(dict(whole(kept).levels), dict(wanted.levels), **EXACT)


@pytest.mark.parametrize(
    ("radius", "boundary", "dead"),
    [(1, "torus", "cleared"), (1, ("zeros", "torus"), "frozen"), (0, "reflect", None)],
)
def test_tiles_of_a_pyramid_have_the_future_of_the_whole(tmp_path, radius, boundary, dead):
    made = automaton(radius, boundary, dead, None, PYRAMID)
    made.skips = ()
    state = first((32, 12), batch=1, layout=PYRAMID).detach()
    state = state.replace(step=0, samples=torch.zeros(1).long())
    wanted = made.rollout(state, 3)
    for tile, halo in ((4, 1), (10, 2), (100, 3)):
        kept = streamed(made, state, tmp_path, 3, tile=tile, halo=halo)
        assert_close(dict(whole(kept).levels), dict(wanted.levels), **EXACT)


def test_how_far_a_step_of_a_pyramid_reaches_is_counted_in_cells_of_the_grid():
    made = automaton(1, "torus", None, None, PYRAMID)
    # the body, of scale 2, sees 1 of its cells far, and a coarser cell of 4 more: up to whole ones
    assert reach(made.spec) == 8
    made.alive = Alive("body", 3, 0.1, radius=1)
    assert reach(made.spec) == 12


def test_a_cell_that_comes_alive_is_seen_as_far_as_it_counts(tmp_path):
    """Without the alive mask's own reach the margin would be too narrow by one."""
    layout = Layout([Level("body", 4)])
    rule = registry.get("rule", "growing")(RuleContext(layout, "body"), hidden=3)
    made = Automaton(layout, {"body": [rule]}, alive=Alive("body", 3, 0.1)).double()
    assert reach(made.spec) == 2
    made.alive = Alive("body", 3, 0.1, radius=3, dead="frozen")
    assert reach(made.spec) == 3
    made.alive = None
    assert reach(made.spec) == 1


def test_a_rule_that_sees_further_than_it_says_is_refused(tmp_path):
    made, state = automaton(2, "torus", None, None), first((12, 9), batch=1).detach()
    made.skips = ()
    made.rules_of("body")[1].radius = 1
    with pytest.raises(ShapeError, match='Blend of level "body" sees 2, not 1'):
        streamed(made, state, tmp_path, 1, tile=4)


@given(
    size=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    tile=st.integers(1, 12),
    halo=st.integers(1, 4),
    random_seed=random_seeds(),
)
def test_life_is_the_same_bit_by_bit_on_any_torus(tmp_path_factory, size, tile, halo, random_seed):
    layout = Layout([Level("world", 1)])
    made = Automaton(
        layout, {"world": [registry.get("rule", "life")(RuleContext(layout, "world"))]}
    )
    state = layout.zeros(1, size, random_seed=random_seed)
    soup = state.rng.chance("soup", 0.4, 1, size).float()
    wanted = made.rollout(state.replace({"world": soup}), 3)
    folder = tmp_path_factory.mktemp("vast")
    kept = streamed(
        made, state.replace({"world": soup}), folder, 3, torch.float16, tile=tile, halo=halo
    )
    assert whole(kept)["world"].float().equal(wanted["world"])


@pytest.mark.parametrize("dtype", grid_file.STORED)
def test_numbers_are_kept_as_they_are_asked_for(tmp_path, dtype):
    numbers = torch.tensor([0.0, -1.5, 3.140625, 7e4]).to(dtype).view(1, 1, 2, 2)
    kept = GridFile.create(tmp_path, Layout([Level("body", 1)]), (2, 2), dtype=dtype)
    kept.write((0, 0), {"body": numbers})
    assert whole(kept)["body"].equal(numbers)
    around = kept.read((-1, 1), (3, 2))["body"]
    assert around.equal(numbers[:, :, [1, 0, 1]][:, :, :, [1, 0]])
    files = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert files == dict.fromkeys(("body.0.raw", "body.1.raw"), 4 * dtype.itemsize)


@pytest.mark.parametrize(("name", "most"), [("life", 2), ("sandpile", 8)])
def test_whole_numbers_take_a_byte_each_and_have_the_same_future(tmp_path, name, most):
    layout = Layout([Level("world", 1)])
    rule = registry.get("rule", name)
    place = [RuleContext(layout, "world")] if takes_context(rule) else []
    made = Automaton(layout, {"world": [rule(*place)]})
    state = layout.zeros(1, (9, 14), random_seed=3)
    state = state.replace({"world": (state.rng.uniform("soup", 1, (9, 14)) * most).floor()})
    found = {}
    for dtype in (torch.uint8, torch.float32):
        folder = tmp_path / str(dtype)
        folder.mkdir()
        kept = streamed(made, state, folder, 5, dtype, tile=4, halo=2)
        found[dtype] = whole(kept)["world"].float()
        sizes = {file.stat().st_size for file in folder.iterdir()}
        assert sizes == {9 * 14 * dtype.itemsize}
    assert found[torch.uint8].equal(found[torch.float32])
    assert found[torch.uint8].equal(made.rollout(state, 5)["world"])
    assert not found[torch.uint8].equal(state["world"])


def test_other_numbers_are_refused_before_a_step_and_lost_by_none(tmp_path):
    state = State({"body": torch.ones(1, 1, 3)})
    with pytest.raises(NCAError, match='rules of level "body" move it by others'):
        streamed(one_level(Scale(1.0)), state, tmp_path, 1, torch.uint8)
    kept = GridFile.create(tmp_path, Layout([Level("body", 1)]), (1, 3), dtype=torch.uint8)
    for number in (0.5, -1.0, 256.0, float("nan"), float("inf")):
        with pytest.raises(NCAError, match=f'level "body" holds {number:g}, and a byte'):
            kept.write((0, 0), {"body": torch.tensor([[[[255.0, 0.0, number]]]])})
    assert whole(kept)["body"].max() == 0, "nothing of it was written"


def test_it_reports_how_many_cell_steps_are_done(tmp_path):
    observed = Observed()
    state = State({"body": torch.ones(1, 1, 4, 3, dtype=torch.float64)})
    made = one_level(Scale(1.0))
    streamed(made, state, tmp_path, 3, tile=2, halo=2, progress=observed)
    # two steps, then one: tiles of 2x2 and 2x1 cells, twice
    assert observed.pieces == [("stream", 36, 0, "cell-steps")]
    assert observed.steps == [8, 12, 20, 24, 28, 30, 34, 36]


def test_an_input_is_kept_once_and_stays(tmp_path):
    state = first((4, 3), batch=1).detach().replace(step=0, samples=torch.zeros(1).long())
    made = automaton(1, "torus", None, None)
    made.skips = ()
    kept = streamed(made, state, tmp_path, 3, tile=2, halo=1)
    assert not (tmp_path / "ground.1.raw").exists()
    assert whole(kept)["ground"].equal(state["ground"])


def test_remembered_states_and_senseless_numbers_are_refused(tmp_path):
    state = State({"body": torch.zeros(1, 1, 3)})
    with pytest.raises(ShapeError, match="a grid on disk keeps no remembered states"):
        streamed(one_level(Scale(1.0), skips=[Skip(1, 0.5)]), state, tmp_path, 1)
    with pytest.raises(ShapeError, match="tiles of 0 cells take 8 steps at once"):
        streamed(one_level(Scale(1.0)), state, tmp_path, 1, tile=0)


def test_a_grid_without_room_is_refused(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(9, 9, 7 * 4 * 12 * 2 - 1)
    monkeypatch.setattr(grid_file.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match="the grid takes"):
        GridFile.create(tmp_path, LAYOUT, (4, 3), dtype=torch.float32)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    with pytest.raises(StorageError, match="cannot be made"):
        GridFile.create(tmp_path / "nowhere", LAYOUT, (4, 3), dtype=torch.float32)
