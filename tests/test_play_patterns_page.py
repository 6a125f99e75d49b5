"""Patterns in a real browser: pasted, dropped on a cell, and saved."""

import pytest
import torch
from drawn_patterns import GLIDER, with_patterns
from playwright.sync_api import Page, expect
from served import serving, until
from test_play_patterns import cells

from nca.play import PlayedModel, Session
from nca.play.model import PlayStart

PASTE = """text => { const given = new DataTransfer(); given.setData("text/plain", text);
  dispatchEvent(new ClipboardEvent("paste", { clipboardData: given, cancelable: true })); }"""
DROP = """([name, text, x, y]) => { const given = new DataTransfer();
  given.items.add(new File([text], name));
  dispatchEvent(new DragEvent("drop", { dataTransfer: given, clientX: x, clientY: y })); }"""


@pytest.fixture
def session() -> Session:
    return Session(with_patterns((16, 16)))


def test_it_is_pasted_dropped_and_saved(page: Page, session: Session, tmp_path):
    with serving(session) as served:
        page.goto(served.address)
        canvas = page.locator("#stage canvas")
        expect(canvas).to_be_visible()
        expect(page.locator("#pasting")).to_be_visible()
        expect(page.locator("#anew")).to_be_hidden()
        page.evaluate(PASTE, GLIDER)  # into the middle of what is seen
        until(lambda: cells(session) == {(7, 8), (8, 9), (9, 7), (9, 8), (9, 9)})
        box = canvas.bounding_box()

        def spot(row: float, column: float) -> tuple[float, float]:
            return box["x"] + box["width"] * column / 16, box["y"] + box["height"] * row / 16

        x, y = spot(2.5, 12.5)
        page.evaluate(DROP, ["mine.cells", "OOO", x, y])
        until(lambda: {(2, 11), (2, 12), (2, 13)} <= cells(session))
        page.mouse.move(*spot(13.5, 2.5))
        page.evaluate(PASTE, "OO\nOO")  # under the pointer
        until(lambda: {(12, 1), (12, 2), (13, 1), (13, 2)} <= cells(session))
        before = cells(session)
        page.evaluate(PASTE, "no pattern at all")
        expect(page.locator("#said")).to_contain_text("this is no pattern")
        assert cells(session) == before
        with page.expect_download() as taken:
            page.locator("#pattern").click()
        assert taken.value.suggested_filename == "life.rle"
        taken.value.save_as(tmp_path / "life.rle")
        assert (tmp_path / "life.rle").read_text() == session.pattern()


def test_runs_and_plain_text_are_laid_in_life_and_saved_with_its_rule(page: Page, tmp_path):
    model = PlayedModel.load("life", torch.device("cpu"), size=(16, 16))
    session = Session(model, start=PlayStart("empty"))
    with serving(session) as served:
        page.goto(served.address)
        expect(page.locator("#stage canvas")).to_be_visible()
        page.evaluate(PASTE, "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!")
        glider = {(7, 8), (8, 9), (9, 7), (9, 8), (9, 9)}
        until(lambda: cells(session) == glider)
        expect(page.locator("#population li .name")).to_have_text(["alive"])
        page.evaluate(PASTE, "2A$B!")
        expect(page.locator("#said")).to_contain_text("has cells in state 2")
        assert cells(session) == glider
        with page.expect_download() as taken:
            page.locator("#pattern").click()
        taken.value.save_as(tmp_path / "life.rle")
        assert (tmp_path / "life.rle").read_text() == (
            "#P 7 7\nx = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"
        )


def test_a_task_without_patterns_says_so_and_nothing_is_laid(page: Page):
    session = Session(PlayedModel.load("langton", torch.device("cpu"), size=(8, 8)))
    with serving(session) as served:
        page.goto(served.address)
        expect(page.locator("#stage canvas")).to_be_visible()
        expect(page.locator("#pattern")).to_be_hidden()
        expect(page.locator("#pasting")).to_be_hidden()
        page.evaluate(PASTE, GLIDER)
        expect(page.locator("#said")).to_contain_text("Nothing here takes patterns")
        assert not session.here.branch.events
