"""A pyramid is played: seen at every size, painted and cut on every level, filmed and saved."""

import io
from pathlib import Path

import pytest
import tiny
import torch
from PIL import Image, ImageSequence
from playwright.sync_api import Page, expect
from served import serving, until
from test_play_page import opened, pixels, spot
from test_play_views import panes
from test_pyramids import RECIPE

from nca import NCAError, ShapeError
from nca.play import PlayedModel, PlayStart, Session
from nca.play.frames import measured
from nca.play.recording import RecordingRequest, record
from nca.play.views import VIEWS

CPU = torch.device("cpu")
THREE = """\
format = 1
[grid]
size = [8, 16]
[[levels]]
name = "ground"
channels = 3
rules = [{ name = "growing", hidden = 4 }]
[[levels]]
name = "top"
channels = 4
scale = 4
rules = [{ name = "bottom_up", hidden = 4 }]
[rollout]
steps = 1
"""


@pytest.fixture
def pyramid(tmp_path) -> PlayedModel:
    """A picture of 8x8 pixels below a body of 4x4 cells, which votes."""
    tiny.known(tmp_path)
    (tmp_path / "pyramid.toml").write_text(RECIPE)
    return PlayedModel.load(str(tmp_path / "pyramid.toml"), CPU)


@pytest.fixture
def bare(tmp_path) -> PlayedModel:
    """8x16 cells below 2x4, without a task."""
    return PlayedModel.load(str(written(tmp_path)), CPU)


def written(folder: Path) -> Path:
    (folder / "three.toml").write_text(THREE)
    return folder / "three.toml"


def test_every_view_shows_levels_at_their_own_size(pyramid, bare):
    for model in (pyramid, bare):
        session = Session(model, start=PlayStart("noise"))
        session.advance(2)
        for name, view in VIEWS.items():
            if view.there(model):
                assert panes(session, view=name), name
    shown = {title: tuple(picture.shape) for title, picture in panes(session, view="levels")}
    assert shown == {"ground": (8, 16, 3), "top": (2, 4, 3)}
    assert panes(session, view="change")[0][1].shape == (8, 16, 3)


def test_a_brush_paints_the_coarse_cell_under_it(bare):
    session = Session(bare, start=PlayStart("empty"))
    stroke = {"kind": "paint", "channels": [2], "value": 0.5, "points": [[6.0, 9.5]]}
    session.act({**stroke, "level": "top", "radius": 0.5})
    assert session.here.snapshot.state["top"][0].nonzero().tolist() == [[2, 1, 2]]
    session.act({**stroke, "level": "ground", "radius": 0.8})
    assert session.here.snapshot.state["ground"][0, 2].nonzero().tolist() == [[5, 9], [6, 9]]


def test_a_brush_cuts_coarse_cells_whose_middle_it_covers(bare):
    session = Session(bare, start=PlayStart("empty"))
    for level in ("ground", "top"):
        fill = {"kind": "paint", "level": level, "value": 1.0, "radius": 30.0}
        session.act({**fill, "points": [[4.0, 8.0]]})
    session.act({"kind": "erase", "radius": 2.0, "points": [[2.0, 2.0], [2.0, 5.0]]})
    state = session.here.snapshot.state
    assert state["top"][0, 0].tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert (state["ground"][0, 0] == 0).nonzero().amax(0).tolist() == [3, 6]


def test_a_seed_and_a_point_are_put_where_they_are_on_every_level(bare):
    session = Session(bare, start=PlayStart("point"))
    state = session.here.snapshot.state
    assert state["ground"][0, 0].nonzero().tolist() == [[4, 8]]
    assert state["top"][0, 0].nonzero().tolist() == [[1, 2]]
    session.act({"kind": "plant", "points": [[1.5, 13.5]]})
    assert session.here.snapshot.state["top"][0, 0].nonzero().tolist() == [[0, 3], [1, 2]]


def test_what_is_done_to_a_pyramid_is_saved_and_replays_to_the_same_bits(pyramid):
    session = Session(pyramid, random_seed=3)
    session.advance(2)
    points = {"points": [[3.0, 3.0], [5.0, 6.0]], "radius": 1.0}
    session.act({"kind": "ink", "value": 1.0, **points})
    session.act({"kind": "damage"})
    session.act({"kind": "paint", "level": "body", "channels": [], "value": 0.5, **points})
    session.advance(3)
    again = Session(pyramid)
    assert not again.load(session.save())
    again.go(5)
    assert again.here.snapshot.state == session.here.snapshot.state
    assert {"total agreement", "mean change"} <= set(measured(pyramid, session.here))


def test_a_film_shows_levels_of_a_pyramid_as_large_as_each_other(bare):
    session = Session(bare, start=PlayStart("noise"))
    session.advance(3)
    request = RecordingRequest(first=0, last=3, view="levels")
    film = Image.open(io.BytesIO(record(session, "film.gif", request)[0]))
    assert film.size == (384 + 8 + 384, 192)
    assert len(list(ImageSequence.Iterator(film))) > 1


def test_a_grid_that_coarse_cells_do_not_divide_is_refused(tmp_path):
    with pytest.raises(NCAError, match=r"is \[10, 16\]  let each side be a multiple of 4"):
        PlayedModel.load(str(written(tmp_path)), CPU, size=(10, 16))
    with pytest.raises(ShapeError, match="a grid of 18 x 16 cells has no whole cells of scale 4"):
        PlayedModel.load("glom_pyramid", CPU, size=(18, 16))


def test_the_page_shows_levels_of_a_pyramid_and_paints_on_a_coarse_one(page: Page, bare):
    session = Session(bare, start=PlayStart("empty"))
    with serving(session) as served:
        opened(page, served)
        page.locator("#view").select_option("levels")
        canvases = page.locator("#stage canvas")
        expect(canvases).to_have_count(2)
        widths = [canvases.nth(n).bounding_box()["width"] for n in range(2)]
        assert widths[0] == pytest.approx(widths[1], rel=0.01)
        page.locator("#tools button[data-tool=paint]").click()
        page.locator("#paint-level").select_option("top")
        page.mouse.click(*spot(page, 0.7, 0.6))
        until(lambda: served.session.here.snapshot.state["top"][0, 0, 1, 2] != 0)
        assert served.session.here.snapshot.state["top"][0, 0].count_nonzero() == 1
        until(lambda: [1, 2] in strange(pixels(page, 1)))
        assert len(strange(pixels(page, 1))) == 1


def strange(picture: torch.Tensor) -> list[list[int]]:
    """Return the cells of `(H, W, 3)` that look otherwise than the first one."""
    return (picture != picture[:1, :1]).any(-1).nonzero().tolist()
