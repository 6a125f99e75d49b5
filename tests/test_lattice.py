"""Hexagons: six neighbours are equally far, as pictures, films and the page show them."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from drawn_patterns import Lines, with_patterns
from page_case import opened
from playwright.sync_api import expect
from served import serving, until
from simple import one_level
from test_bits import Discrete
from test_export_onnx_json import turned_into

from nca import State, TableTerm
from nca.export import write_html
from nca.play import Session
from nca.play.recording import parse_recording_request, record
from nca.render.collect import CollectedStates
from nca.render.lattice import hexagonal
from nca.render.sheet import tile
from nca.tasks.display import Display, StateColours, state_palette

CORNERS = {(-1, 1), (1, -1)}
NEIGHBOURS = {*itertools.product((-1, 0, 1), repeat=2)} - CORNERS - {(0, 0)}

SEEN = """() => { const canvas = document.querySelector("#stage canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, place) => place % 4 === 0); }"""


class Hexagons(Lines):
    """Life, whose cells are drawn as hexagons lie."""

    def display(self):
        first = self.context.layout.zeros(1, self.context.size)
        return Display(first, lattice="hexagonal")


def middle(picture: torch.Tensor) -> tuple[float, float]:
    """Return the middle of what is lit, in pixels."""
    places = picture[0].nonzero().double() + 0.5
    return places[:, 0].mean().item(), places[:, 1].mean().item()


def lit(row: int, column: int, side: int = 9) -> torch.Tensor:
    picture = torch.zeros(3, side, side)
    picture[:, row, column] = 1
    return picture


def test_six_neighbours_are_equally_far_and_the_others_farther():
    own = middle(hexagonal(lit(4, 5), 4))
    apart = {}
    for down, across in itertools.product((-1, 0, 1), repeat=2):
        y, x = middle(hexagonal(lit(4 + down, 5 + across), 4))
        apart[down, across] = math.hypot((y - own[0]) * math.sqrt(3) / 2, x - own[1]) / 4
    for offset in NEIGHBOURS:
        assert apart[offset] == pytest.approx(1, abs=1e-9), offset
    for offset in CORNERS:
        assert apart[offset] > 1.7


@pytest.mark.parametrize("scale", [1, 2, 3, 6])
def test_every_cell_is_drawn_once_and_whole_also_where_it_wraps(scale):
    picture = torch.arange(1.0, 36).view(1, 5, 7).expand(3, -1, -1)
    large = hexagonal(picture, scale)
    assert large.shape == (3, 5 * scale, 7 * scale)
    assert large[0].unique(return_counts=True)[1].tolist() == [scale**2] * 35
    assert torch.equal(
        large[:, :scale], picture[:, :1].repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    )  # the first row stays


def any_table() -> TableTerm:
    return TableTerm(tuple(NEIGHBOURS), (1,) * 6, torch.tensor([[0, 0, 1, 0, 0, 0, 0]] * 2))


PIXELS = """() => { const { gl, canvas } = nca.stage, { width, height } = canvas;
  const pixels = new Uint8Array(4 * width * height);
  nca.stage.draw(0, nca.paper);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return [width, height, [...pixels].filter((_, place) => place % 4 === 0)]; }"""


def test_an_exported_page_draws_hexagons_finds_them_under_a_hand_and_names_states(page, tmp_path):
    first = State({"body": (torch.arange(63) * 7 % 11 > 6).float().view(1, 1, 9, 7)})
    look = StateColours("body", 0, state_palette(2), ("empty", "wire"))
    trained = turned_into(one_level(Discrete(any_table()), channels=1), first)

    class Shown:
        headline, better = "error", "less"

        def display(self):
            return Display(first, look, lattice="hexagonal")

    write_html(replace(trained, task=Shown()), tmp_path / "page.html", 4, check=False)  # pyright: ignore
    opened(page, tmp_path / "page.html")
    page.evaluate("nca.reset()")
    width, height, pixels = page.evaluate(PIXELS)
    scale = width // 7
    assert scale > 9
    seen = torch.tensor(pixels).view(height, width).flip(0)
    wanted = hexagonal(look.picture(first)[0], scale)[0].mul(255).round().int()
    apart = (seen != wanted).float().view(9, scale, width).mean(dim=(1, 2))
    assert apart.max() < 1 / scale, "more than the half pixel of an odd scale at edges of cells"
    assert not apart[::2].any()
    box = page.locator("#canvas").bounding_box()
    assert box["height"] / box["width"] == pytest.approx(9 / 7 * math.sqrt(3) / 2, rel=0.01)
    for cell in ((0, 3), (5, 1), (8, 6)):
        across = ((cell[1] + 0.5 - cell[0] / 2) % 7) / 7 * box["width"] + box["x"]
        down = (cell[0] + 0.5) / 9 * box["height"] + box["y"]
        found = page.evaluate(f"nca.place({{clientX: {across}, clientY: {down}}})")
        assert (int(found[0]), int(found[1]) % 7) == cell
        page.evaluate(f"nca.apply({found}, {found})")  # cut
        numbers = page.evaluate("Array.from(nca.stage.engine.read(0))")
        assert numbers[cell[0] * 7 + cell[1]] == 0
    assert page.locator("#legend li").all_text_contents() == ["empty", "wire"]
    assert page.locator("#views button").count() == 0  # one look shows all


def test_tiles_films_and_sheets_are_drawn_so_where_the_display_says_it():
    square = tile(lit(1, 0), 4)
    moved = tile(lit(1, 0), 4, "hexagonal")
    assert moved.size == square.size
    assert moved.getpixel((35, 4)) == moved.getpixel((0, 4)) == (255, 255, 255)
    assert square.getpixel((35, 4)) == (0, 0, 0)
    assert tile(lit(1, 0), 1, "hexagonal").tobytes() == tile(lit(1, 0), 1).tobytes()
    films = []
    for task in (Lines, Hexagons):
        session = Session(with_patterns(task=task))
        session.act({"kind": "pattern", "text": "OOO", "point": [3.5, 3.5]})
        request = parse_recording_request([("first", "0"), ("last", "1")])
        films.append(record(session, "film.png", request)[0])
    assert films[0] != films[1]

    class Kept:
        task = with_patterns(task=Hexagons).task
        automaton = with_patterns(task=Hexagons).automaton

    collected = CollectedStates(Kept, False, None, None)
    collected.seen, collected.words = [lit(1, 0)[None]], ["step 0"]
    assert collected.sheet().lattice == "hexagonal"
    assert [sheet.lattice for sheet in collected.sheets(None)] == ["hexagonal"]


def test_the_page_draws_them_so_and_a_click_finds_the_cell_that_is_seen(page):
    session = Session(with_patterns(task=Hexagons))
    with serving(session) as served:
        page.goto(served.address)
        canvas = page.locator("#stage canvas")
        expect(canvas).to_be_visible()
        box = canvas.bounding_box()
        assert box["height"] / box["width"] == pytest.approx(math.sqrt(3) / 2, abs=0.01)
        page.locator("#radius").fill("0.5")
        for row, column in ((0, 2), (3, 0), (6, 5), (7, 7)):
            across = (column + 0.5 - row / 2) % 8  # each row half a cell to the left
            x = box["x"] + box["width"] * across / 8
            page.mouse.click(x, box["y"] + box["height"] * (row + 0.5) / 8)
            until(lambda at=(row, column): session.here.snapshot.state["cells"][0, 0][at] == 1)
        assert session.here.snapshot.state["cells"].sum() == 4
        wanted = hexagonal(session.here.snapshot.state["cells"][0], 2)[0, ::2]
        until(lambda: torch.equal(torch.tensor(page.evaluate(SEEN)).view(8, 16) / 255, wanted))
        page.locator("#stage").focus()
        for key in ("ArrowUp", "ArrowUp", "Enter"):
            page.keyboard.press(key)
        until(lambda: session.here.snapshot.state["cells"][0, 0, 2, 4] == 1)
