"""Cells of few states in a real browser: painted, counted, and seen by day and by night."""

from few_states import register_rules
from playwright.sync_api import Page, expect
from served import serving, until
from test_play_cells import EMPTY, load
from test_play_page import pixels, spot

from nca.play import Session

DRAWN = """(() => { const chart = document.getElementById("population-time");
  const { data } = chart.getContext("2d").getImageData(0, 0, chart.width, chart.height);
  return data.some((part) => part); })()"""


def test_a_state_is_chosen_painted_counted_and_seen_by_day_and_by_night(page: Page):
    register_rules()
    session = Session(load("brain"), start=EMPTY)
    with serving(session) as served:
        page.goto(served.address)
        expect(page.locator("#stage canvas")).to_be_visible()
        expect(page.locator("#paint-state option")).to_have_text(["0", "1", "2"])
        expect(page.locator("#paint-value")).to_be_hidden()
        page.keyboard.press("q")  # state 2 in place of 1
        page.mouse.click(*spot(page, 2.5 / 8, 5.5 / 8))
        until(lambda: session.here.snapshot.state["cells"][0, 0].nonzero().tolist() == [[2, 5]])
        assert session.here.snapshot.state["cells"].sum() == 2
        rows = page.locator("#population li")
        expect(rows).to_have_count(2)
        expect(rows.nth(1)).to_have_text("211.56 %")  # state 2: 1 cell
        until(lambda: pixels(page)[2, 5].tolist() == [230, 158, 0])
        assert pixels(page)[0, 0].tolist() == [255, 255, 255]
        page.keyboard.press("t")
        until(lambda: pixels(page)[0, 0].tolist() == [25, 28, 32])
        page.keyboard.press("t")
        page.select_option("#paint-state", "0")
        page.mouse.click(*spot(page, 2.5 / 8, 5.5 / 8))
        until(lambda: not session.here.snapshot.state["cells"].any())


def test_shares_are_painted_by_a_slider_and_seen_by_a_colour_map(page: Page):
    register_rules()
    session = Session(load("glow"), start=EMPTY)
    with serving(session) as served:
        page.goto(served.address)
        expect(page.locator("#stage canvas")).to_be_visible()
        expect(page.locator("#paint-state")).to_be_hidden()
        page.locator("#paint-value").fill("0.25")
        expect(page.locator("#paint-now")).to_have_text("0.25")
        page.mouse.click(*spot(page, 4.5 / 8, 4.5 / 8))
        until(lambda: session.here.snapshot.state["cells"].max() == 0.25)
        page.select_option("#colours", "viridis")
        until(lambda: pixels(page)[4, 4].tolist() == [253, 231, 37])
        expect(page.locator("#population li .name")).to_have_text(["live"])
        page.keyboard.press(".")
        page.keyboard.press(".")
        until(lambda: page.evaluate(DRAWN))
