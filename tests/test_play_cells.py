"""What cells hold: states in colours, how many of each there are, and colour maps of numbers."""

import json
import struct
from dataclasses import replace

import pytest
import torch
from drawn_patterns import Lines, with_patterns
from few_states import register_rules

from nca import MappedColours, StateColours
from nca.errors import NCAError
from nca.play import PlayedModel, PlayStart, Session
from nca.play.cells import DARK, hexed
from nca.play.frames import Viewer, about, frame, to_bytes
from nca.play.recording import parse_recording_request, record
from nca.play.views import ViewRequest
from nca.render.palettes import colour_map, state_palette
from nca.tasks.display import Display

CPU = torch.device("cpu")
EMPTY = PlayStart("empty")


@pytest.fixture(autouse=True)
def rules() -> None:
    register_rules()


def load(name: str, size: tuple[int, ...] = (8, 8)) -> PlayedModel:
    return PlayedModel.load(name, CPU, size=size)


def header(session: Session, **look: object) -> tuple[dict, torch.Tensor]:
    """Return the header of a frame, and its first pane `(H, W, 3)`."""
    raw = frame(session, Viewer(ViewRequest(**look)), {})
    place = 4 + struct.unpack("<I", raw[:4])[0]
    head = json.loads(raw[4:place])
    pane = head["panes"][0]
    count = pane["height"] * pane["width"] * 3
    pixels = torch.frombuffer(bytearray(raw[place : place + count]), dtype=torch.uint8)
    return head, pixels.view(pane["height"], pane["width"], 3)


def brain() -> Session:
    """Return three cells of one state and two of another, on 8x8."""
    session = Session(load("brain"), start=EMPTY)
    for state, row, last in ((1.0, 1.5, 3.5), (2.0, 5.5, 2.5)):
        points = [[row, 1.5], [row, last]]
        stroke = {"kind": "paint", "level": "cells", "radius": 0.4, "points": points}
        session.act({**stroke, "value": state})
    return session


@pytest.mark.parametrize(
    ("name", "size", "states", "unit"),
    [
        ("life", (8, 8), ["dead", "alive"], False),
        ("elementary", (8,), ["0", "1"], False),
        ("brain", (8, 8), ["0", "1", "2"], False),
        ("glow", (8, 8), [], True),
        ("growing", (32, 32), [], False),
    ],
)
def test_a_page_is_told_what_the_brush_may_set(name, size, states, unit):
    level = about(Session(load(name, size)))["levels"][-1]
    assert (level["states"], level["unit"]) == (states, unit)


def test_cells_of_each_state_but_the_background_are_counted():
    head, _ = header(brain())
    colours = [hexed(colour) for colour in state_palette(3).tolist()]
    assert head["places"][0]["population"] == [
        {"name": "1", "colour": colours[1], "count": 3, "share": round(3 / 64, 6)},
        {"name": "2", "colour": colours[2], "count": 2, "share": round(2 / 64, 6)},
    ]


def test_live_cells_are_counted_where_the_automaton_knows_them_or_a_number_is_above_a_tenth():
    grown = Session(PlayedModel.load("growing", CPU))
    grown.advance(20)
    living = grown.model.automaton.alive_mask(grown.here.snapshot.state)
    (live,) = header(grown)[0]["places"][0]["population"]
    assert live["count"] == int(living.sum()) > 30
    glow = Session(load("glow"))
    level = glow.here.snapshot.state["cells"]
    place = header(glow)[0]["places"][0]
    assert place["population"][0]["count"] == int((level > 0.1).sum())
    assert place["metrics"]["mass"] == pytest.approx(level.sum().item(), rel=1e-6)
    assert "mass" not in header(brain())[0]["places"][0]["metrics"]
    assert header(Session(PlayedModel.load("glom_mnist", CPU)))[0]["places"][0]["population"] == []
    of_no_level = header(glow, level="nowhere", view="picture")[0]["places"][0]["population"]
    assert of_no_level == place["population"], "a picture is of no level that one may choose"


def test_a_state_has_its_colour_by_day_and_by_night():
    for dark, paper in ((False, torch.ones(3)), (True, DARK)):
        colours = (state_palette(3, paper) * 255).round().byte()
        _, pixels = header(brain(), dark=dark)
        assert torch.equal(pixels[1, 1], colours[1])
        assert torch.equal(pixels[5, 2], colours[2])
        assert torch.equal(pixels[0, 0], colours[0])


def test_states_that_are_none_are_drawn_as_the_nearest():
    session = brain()
    level = session.here.snapshot.state["cells"].clone()
    level[0, 0, 0, :3] = torch.tensor([9.0, -4.0, torch.nan])
    state = session.here.snapshot.state.replace({"cells": level})
    session.here.snapshot = session.here.snapshot.with_state(state)
    head, pixels = header(session)
    assert torch.equal(pixels[0, 0], pixels[5, 2])
    assert (pixels[0, 1:3] == 255).all()
    assert head["places"][0]["population"][1]["count"] == 3


@pytest.mark.parametrize("view", ["picture", "levels", "components", "channel", "change"])
def test_numbers_are_shown_by_the_colour_map_that_is_asked_for(view):
    session = Session(load("glow", (16, 16)))
    session.advance(1)
    table = {tuple(row) for row in (colour_map("viridis") * 255).round().byte().tolist()}
    own, mapped = (header(session, view=view, colours=name)[1] for name in ("", "viridis"))
    assert {tuple(cell) for row in mapped.tolist() for cell in row} <= table
    assert not torch.equal(own, mapped)


def test_gray_and_the_cyclic_map_follow_the_page_s_ground():
    session = Session(load("glow"), start=EMPTY)
    session.act({"kind": "plant", "points": [[2.5, 2.5]]})
    for name, least in (("gray", 250), ("twilight", 200)):
        day, night = (header(session, colours=name, dark=dark)[1] for dark in (False, True))
        assert day[0, 0].min() > least, name
        assert night[0, 0].max() < 60, name
    assert header(session, colours="gray")[1][2, 2].max() == 0


def test_a_colour_map_that_is_none_is_refused_in_words():
    with pytest.raises(NCAError, match="there is no colour map"):
        header(Session(load("glow")), colours="jet<script>")


def test_a_view_asks_for_colours_where_there_are_numbers_to_colour():
    def asking(model: PlayedModel) -> set[str]:
        views = about(Session(model))["views"]
        return {view["name"] for view in views if "colours" in view["asks"]}

    always = {"channel", "agreement", "change"}
    assert asking(load("glow")) == always | {"picture", "levels", "components"}
    assert asking(load("brain")) == always
    assert asking(PlayedModel.load("growing", CPU)) == always


def shown_as(look: object) -> Session:
    class Shown(Lines):
        def display(self):
            return Display(self.context.layout.zeros(1, self.context.size), look)

        def picture(self, state):
            return look.picture(state)

    model = with_patterns(task=Shown)
    session = Session(replace(model))
    session.act({"kind": "plant", "points": [[2.5, 2.5]]})
    return session


def test_a_task_names_its_states_and_their_colours():
    colours = torch.tensor([[1.0, 1, 1], [0, 0.27, 0.53]])
    session = shown_as(StateColours("cells", 0, colours, ("empty", "tree")))
    assert about(session)["levels"][0]["states"] == ["empty", "tree"]
    head, day = header(session)
    assert head["places"][0]["population"][0]["name"] == "tree"
    assert head["places"][0]["population"][0]["colour"] == "#004587"
    assert day[2, 2].tolist() == [0, 69, 135]
    night = header(session, dark=True)[1]
    assert torch.equal(night[0, 0], (DARK * 255).round().byte())
    assert night[2, 2].float().mean() > day[2, 2].float().mean(), "lighter, to be seen"


def test_another_colour_map_takes_the_place_of_the_task_s_own():
    session = shown_as(MappedColours("cells", 0, "magma", 0.0, 1.0))
    own, other = header(session)[1], header(session, colours="viridis")[1]
    assert torch.equal(own[2, 2], to_bytes(colour_map("magma")[-1].view(3, 1, 1))[0, 0])
    assert torch.equal(other[2, 2], to_bytes(colour_map("viridis")[-1].view(3, 1, 1))[0, 0])
    views = {view["name"]: view["asks"] for view in about(session)["views"]}
    assert "colours" in views["picture"]


def test_a_film_is_taken_in_the_colours_that_are_seen():
    session = Session(load("glow"))
    films = []
    for colours in ("", "viridis"):
        query = [("first", "0"), ("last", "2"), ("colours", colours)]
        films.append(record(session, "film.gif", parse_recording_request(query))[0])
    assert films[0] != films[1]
    with pytest.raises(NCAError, match="there is no colour map"):
        record(session, "film.gif", parse_recording_request([*query[:2], ("colours", "no")]))
