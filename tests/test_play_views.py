"""What there is to see of a state, in one, two and three axes."""

import io
import json
import struct

import pytest
import torch
from extras import needs_video
from PIL import Image, ImageSequence

from nca import Automaton, Layout, Level
from nca.errors import NCAError
from nca.play import PlayedModel, PlayStart, Session
from nca.play.frames import Viewer, frame, to_bytes
from nca.play.recording import RecordingRequest, record
from nca.play.views import ROWS, VIEWS, ViewRequest
from nca.render.palettes import ceiling
from nca.render.pca import SteadyColours

CPU = torch.device("cpu")
CUBE = """\
format = 1
[grid]
size = [4, 5, 6]
[[levels]]
name = "body"
channels = 4
rules = [{ name = "growing", hidden = 4 }]
[rollout]
steps = 1
"""


def panes(session: Session, **look: object) -> list[tuple[str, torch.Tensor]]:
    """Return title and bytes of each pane of a frame, taken apart as the page does."""
    raw = frame(session, Viewer(ViewRequest(**look)), {})
    length = struct.unpack("<I", raw[:4])[0]
    place, found = 4 + length, []
    for pane in json.loads(raw[4:place])["panes"]:
        shape = pane["height"], pane["width"], 3
        count = shape[0] * shape[1] * 3
        pixels = torch.frombuffer(bytearray(raw[place : place + count]), dtype=torch.uint8)
        found.append((pane["title"], pixels.view(shape)))
        place += count
    assert place == len(raw)
    return found


def test_the_picture_is_the_task_s():
    session = Session(PlayedModel.load("growing", CPU))
    session.advance(8)
    ((title, pixels),) = panes(session)
    wanted = session.model.task.picture(session.here.snapshot.state)[0]
    assert title == "picture"
    assert torch.equal(pixels, to_bytes(wanted))
    assert pixels.min() < 200, "something has grown"


def test_every_view_draws_every_model_that_it_says_it_can():
    drawn = set()
    for name in ("growing", "glom_mnist", "life", "elementary"):
        session = Session(PlayedModel.load(name, CPU, size=(12,) if name == "elementary" else None))
        session.advance(2)
        for view, told in VIEWS.items():
            if told.there(session.model):
                assert panes(session, view=view)
                drawn.add(view)
            else:
                with pytest.raises(NCAError, match="no view"):
                    panes(session, view=view)
    assert drawn == set(VIEWS)


def test_levels_lie_side_by_side():
    session = Session(PlayedModel.load("glom_mnist", CPU))
    session.advance(3)
    titles = [title for title, _ in panes(session, view="levels")]
    assert titles == ["image", "part", "object", "scene"]


def test_one_axis_scrolls_with_the_latest_step_at_the_bottom():
    session = Session(PlayedModel.load("elementary", CPU, size=(32,)), start=PlayStart("point"))
    session.advance(3)
    ((_, pixels),) = panes(session)
    assert pixels.shape == (ROWS, 32, 3)
    rows = (
        session.history.at(session.here.branch, 2).state["cells"],
        session.here.snapshot.state["cells"],
    )
    for row, wanted in zip(pixels[-2:], rows, strict=True):
        assert torch.equal(row[:, 0] > 127, wanted[0, 0] > 0.5)


def test_three_axes_are_cut_into_slices(tmp_path):
    (tmp_path / "cube.toml").write_text(CUBE)
    session = Session(PlayedModel.load(str(tmp_path / "cube.toml"), CPU), start=PlayStart("empty"))
    session.act(
        {
            "kind": "paint",
            "level": "body",
            "channels": [1],
            "value": 1.0,
            "radius": 0.1,
            "points": [[2.5, 3.5, 4.5]],
        }
    )
    ((_, there),) = panes(session, view="channel", channel=1, slice=2)
    ((_, beside),) = panes(session, view="channel", channel=1, slice=1)
    assert there.shape == (5, 6, 3)
    assert (there != there[0, 0]).any(dim=-1).nonzero().tolist() == [[3, 4]]
    assert (beside == beside[0, 0]).all()


def test_components_keep_their_colours_when_nothing_moves_and_when_signs_would_flip():
    generator = torch.Generator().manual_seed(0)
    level = torch.randn(1, 8, 6, 6, generator=generator)
    basis = SteadyColours()
    basis.fit(level)
    first = basis.colours(level)
    for _ in range(5):
        basis.fit(level + 0.01 * torch.randn(level.shape, generator=generator))
    torch.testing.assert_close(basis.colours(level), first, atol=0.05, rtol=0)


def test_two_cells_have_colours_too():
    basis = SteadyColours()
    colours = basis.colours(torch.arange(8.0).view(1, 4, 1, 2))
    assert colours.shape == (1, 3, 1, 2)
    assert (colours[..., 0] != colours[..., 1]).any()


def test_a_scale_is_a_power_of_two_above_the_numbers():
    assert ceiling(torch.full((4, 4), 0.3)) == 0.5
    assert ceiling(torch.full((4, 4), -3.0)) == 4.0


def test_a_film_has_a_frame_for_each_step_and_leaves_the_session_where_it_was():
    session = Session(PlayedModel.load("growing", CPU))
    session.advance(9)
    stood = session.here.snapshot.state
    for name, ending in (("film.gif", "gif"), ("film.png", "png")):
        data, said = record(session, name, RecordingRequest(first=1, last=9, every=2))
        assert said == ending
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.n_frames == 5
    assert session.step == 9
    assert session.here.snapshot.state == stood
    with pytest.raises(NCAError, match="cannot be taken"):
        record(session, "film.gif", RecordingRequest(first=0, last=5000))


def test_a_gif_of_the_page_plays_at_its_rate():
    session = Session(PlayedModel.load("life", CPU, size=(8, 8)), start=PlayStart("noise"))
    session.advance(59)
    data, _ = record(session, "film.gif", RecordingRequest(first=0, last=59, rate=60))
    with Image.open(io.BytesIO(data)) as opened:
        lasts = [frame.info["duration"] for frame in ImageSequence.Iterator(opened)]
    assert min(lasts) >= 20
    assert sum(lasts) == 1000


@needs_video
def test_a_film_can_be_an_mp4():
    session = Session(PlayedModel.load("life", CPU, size=(8, 8)))
    session.advance(4)
    data, ending = record(session, "film.mp4", RecordingRequest(first=0, last=4))
    assert ending == "mp4"
    assert data[4:8] == b"ftyp"


def test_an_automaton_without_a_mask_shows_none():
    automaton = Automaton(Layout([Level("body", 1)]), {})
    assert automaton.alive is None
    assert not VIEWS["alive"].there(PlayedModel.load("life", CPU))
