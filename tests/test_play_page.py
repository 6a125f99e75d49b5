"""The page of `nca play` in a real browser: played, painted on, scrubbed, held against torch."""

import io
import json
import webbrowser
from dataclasses import replace

import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect
from served import Served, serving, until

from nca.play import PlayedModel, PlayStart, Session
from nca.play.ending import Ending
from nca.play.frames import to_bytes
from nca.play.launch import open_in_browser
from nca.tasks.batch import Batch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def lizard() -> PlayedModel:
    return PlayedModel.load("growing", CPU)


def pixels(page: Page, number: int = 0) -> torch.Tensor:
    """Return what a pane shows, `(H, W, 3)`."""
    found = page.evaluate(
        "number => { const c = document.querySelectorAll('#stage canvas')[number];"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        " return [c.height, c.width, ...d.data] }",
        number,
    )
    height, width, *values = found
    return torch.tensor(values, dtype=torch.uint8).view(height, width, 4)[..., :3]


def opened(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator("#stage canvas").first).to_be_visible()


def spot(page: Page, y: float, x: float) -> tuple[float, float]:
    """Return where a share of the first pane is on the screen."""
    box = page.locator("#stage canvas").first.bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_what_the_page_shows_is_what_torch_computes(page: Page, lizard: PlayedModel):
    with serving(Session(lizard, random_seed=2)) as served:
        opened(page, served)
        for _ in range(3):
            page.get_by_label("One step", exact=True).click()
        expect(page.locator("#step")).to_have_text("3")
        own = Session(lizard, random_seed=2)
        own.advance(3)
        wanted = to_bytes(lizard.task.picture(own.here.snapshot.state)[0])
        until(lambda: torch.equal(pixels(page), wanted))

        page.keyboard.press("Space")
        until(lambda: served.session.step > 12)
        # the key means the other of what the page shows, which a slow page shows late
        expect(page.get_by_label("Pause", exact=True)).to_be_visible()
        page.keyboard.press("Space")
        until(lambda: not served.hub.playing)
        idle(page)  # the last step is over, too
        step = served.session.step
        expect(page.locator("#step")).to_have_text(str(step))
        own.go(step)
        assert served.session.here.snapshot.state == own.here.snapshot.state

        page.locator("#scrub").fill("5")
        expect(page.locator("#step")).to_have_text("5")
        own.go(5)
        wanted = to_bytes(lizard.task.picture(own.here.snapshot.state)[0])
        until(lambda: torch.equal(pixels(page), wanted))


def test_a_stroke_damages_and_the_past_stays(page: Page, lizard: PlayedModel):
    session = Session(lizard)
    session.advance(40)
    full = session.here.snapshot.state["body"].clone()
    session.go(30)
    with serving(session) as served:
        opened(page, served)
        page.keyboard.press("e")
        page.mouse.move(*spot(page, 0.3, 0.3))
        page.mouse.down()
        page.mouse.move(*spot(page, 0.7, 0.7), steps=4)
        page.mouse.up()
        expect(page.locator("#branch option")).to_have_count(2)
        until(lambda: session.here.snapshot.state["body"][0, :, 16, 16].abs().max() == 0)
        until(lambda: session.here.snapshot.state["body"][0, :, 10, 10].abs().max() == 0)
        saved = json.loads(session.save())
        strokes = [event["kind"] for event in saved["branches"][1]["events"]]
        assert strokes
        assert set(strokes) == {"erase"}
        page.select_option("#beside", "0")
        expect(page.locator("#stage canvas")).to_have_count(2)
        until(lambda: not torch.equal(pixels(page, 0), pixels(page, 1)))
        page.select_option("#branch", "0")
        expect(page.locator("#stage figcaption").first).to_have_text("main: picture")
        page.locator("#stage").focus()
        page.keyboard.press("End")
        until(lambda: session.step == 40)
        assert torch.equal(session.here.snapshot.state["body"], full)


def test_a_control_turns_and_a_key_plants(page: Page, lizard: PlayedModel):
    session = Session(lizard)
    with serving(session) as served:
        opened(page, served)
        page.get_by_role("slider", name="fire rate").fill("0")
        until(lambda: session.here.snapshot.controls == {"fire_rate": 0.0})
        expect(page.locator(".control.turned")).to_have_count(1)
        page.keyboard.press("s")
        page.locator("#stage").focus()
        for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Enter"):
            page.keyboard.press(key)
        until(lambda: session.here.snapshot.state["body"][0, 3, 14, 15].item() == 1)
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        assert "play or pause" in page.locator("#key-list").inner_text()


def test_a_drawn_digit_is_voted_on(page: Page):
    session = Session(PlayedModel.load("self_classifying_mnist_small", CPU))
    with serving(session) as served:
        opened(page, served)
        page.get_by_label("Blank input").click()
        until(lambda: session.here.snapshot.state["image"].abs().max().item() == 0)
        page.mouse.move(*spot(page, 0.2, 0.5))
        page.mouse.down()
        page.mouse.move(*spot(page, 0.8, 0.5), steps=5)
        page.mouse.up()
        until(lambda: session.here.snapshot.state["image"][0, 0, 20, 14].item() > 5)
        session.go(0)
        for _ in range(25):
            page.keyboard.press(".")
        expect(page.locator("#step")).to_have_text("25")
        expect(page.locator("#votes li.first .name")).to_contain_text("1")


def test_a_picture_and_a_history_are_brought_in(page: Page, lizard: PlayedModel, tmp_path):
    held = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 0)).save(held, "PNG")
    red = {"name": "red.png", "mimeType": "image/png", "buffer": held.getvalue()}
    session = Session(lizard)
    with serving(session) as served:
        opened(page, served)
        page.select_option("#role", "start")
        page.locator("#image").set_input_files(red)
        until(lambda: bool((session.here.snapshot.state["body"][0, 0] == 1).all()))
        drawn = session.here.snapshot.state
        until(lambda: bool((pixels(page) == torch.tensor([255, 0, 0])).all()))
        with page.expect_download() as taken:
            page.locator("#save").click()
        taken.value.save_as(tmp_path / "mine.json")
        page.keyboard.press("n")
        until(lambda: len(session.history.branches) == 2)
        page.locator("#file").set_input_files(tmp_path / "mine.json")
        until(lambda: len(session.history.branches) == 1 and session.here.snapshot.state == drawn)
        page.locator("#file").set_input_files(
            {"name": "no.json", "mimeType": "application/json", "buffer": b"{}"}
        )
        expect(page.locator("#said")).to_contain_text("no history that can be replayed")


def wide(page: Page) -> float:
    """Return how wide the whole picture of the first pane is on the screen, in pixels."""
    return page.locator("#stage canvas").first.bounding_box()["width"]


def test_two_fingers_bring_the_cells_nearer_and_one_paints_there(browser, lizard: PlayedModel):
    session = Session(lizard)
    context = browser.new_context(viewport={"width": 420, "height": 780}, has_touch=True)
    with serving(session) as served:
        page = context.new_page()
        opened(page, served)
        page.keyboard.press("p")
        before, middle = wide(page), spot(page, 0.5, 0.5)
        wire = context.new_cdp_session(page)

        def fingers(kind: str, *apart: float) -> None:
            points = [
                {"x": middle[0] + way, "y": middle[1], "id": n} for n, way in enumerate(apart)
            ]
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", -20, 20)  # at once: one that is alone for long begins to paint
        for apart in (30, 40, 60, 80):
            fingers("touchMove", -apart, apart)
        fingers("touchEnd")
        until(lambda: abs(wide(page) / before - 4) < 0.1)
        idle(page)
        assert not session.here.snapshot.state["body"][0, 0].any(), "two fingers have painted"

        # what is 4 cells of 32 away from the middle now is as far as all 16 were
        x, y = middle[0] + before * 0.25, middle[1]
        page.touchscreen.tap(x, y)
        until(lambda: session.here.snapshot.state["body"][0, 0].any().item())
        painted = session.here.snapshot.state["body"][0, 0].nonzero().double().mean(dim=0)
        side = session.here.snapshot.state.size("body")[1]
        assert abs(painted[1].item() + 0.5 - side * (0.5 + 0.25 / 4)) < 0.6
        page.keyboard.press("0")
        until(lambda: wide(page) == before)
    context.close()


def test_keys_and_the_wheel_bring_the_cells_nearer(page: Page, lizard: PlayedModel):
    with serving(Session(lizard)) as served:
        opened(page, served)
        before = wide(page)
        page.keyboard.press("z")
        until(lambda: abs(wide(page) / before - 1.5) < 0.01)
        page.keyboard.press("u")
        until(lambda: abs(wide(page) / before - 1) < 0.01)
        page.mouse.move(*spot(page, 0.25, 0.25))
        page.mouse.wheel(0, -600)
        until(lambda: abs(wide(page) / before - 4) < 0.05)
        page.locator("#stage").focus()
        for _ in range(14):  # a cursor that leaves what is seen takes it along
            page.keyboard.press("ArrowRight")
        pane, ring = (page.locator(name).bounding_box() for name in ("#stage figure", "#ring"))
        assert pane["x"] <= ring["x"] + ring["width"] / 2 <= pane["x"] + pane["width"]


def test_levels_are_stacked_on_a_phone_by_night(browser, lizard: PlayedModel):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    )
    tab = context.new_page()
    session = Session(PlayedModel.load("glom_mnist", CPU))
    with serving(session) as served:
        opened(tab, served)
        tab.select_option("#view", "stack")
        expect(tab.locator("#stage canvas")).to_have_count(4)
        expect(tab.locator("#stage")).to_have_class("stack")
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.select_option("#view", "picture")
        expect(tab.locator("#stage canvas")).to_have_count(1)
        before = session.here.snapshot.state["image"].clone()
        tab.touchscreen.tap(*spot(tab, 0.1, 0.1))
        until(lambda: not torch.equal(session.here.snapshot.state["image"], before))
    context.close()


CLASSIFIERS = ("glom_fashion", "glom_mnist_long", "self_classifying_mnist_small")
"""One that begins anew under another picture, and two that carry on."""
STROKES = {
    "1": [[(0.2, 0.5), (0.8, 0.5)]],
    "7": [[(0.2, 0.3), (0.2, 0.68)], [(0.2, 0.68), (0.8, 0.42)]],
}


def draw(page: Page, lines: list[list[tuple[float, float]]]) -> None:
    """Draw with the mouse, in shares of the first pane."""
    for first, *others in lines:
        page.mouse.move(*spot(page, *first))
        page.mouse.down()
        for point in others:
            page.mouse.move(*spot(page, *point), steps=6)
        page.mouse.up()


def idle(page: Page) -> None:
    """Wait until all that the page has sent is done: a message after it is answered."""
    page.evaluate(
        "async () => { const wire = await import('/page/wire.js');"
        " await new Promise(done => { wire.on('about', done); wire.send('about'); }) }"
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_digit_that_is_rubbed_out_and_redrawn_is_read_as_a_fresh_one(page: Page, name):
    session = Session(PlayedModel.load(name, CPU), start=PlayStart(sample=3))
    session.advance(10)
    with serving(session) as served:
        opened(page, served)
        page.keyboard.press("o")  # rub out
        page.locator("#radius").fill("16")
        draw(page, [[(at, 0.02), (at, 0.98)] for at in (0.25, 0.75)])
        idle(page)
        assert session.model.is_blank(session.here.snapshot.state)
        expect(page.locator("#verdict")).to_have_text("Nothing is drawn")
        page.keyboard.press("i")
        page.locator("#radius").fill("1")
        draw(page, STROKES["7"])
        idle(page)
        state = session.here.snapshot.state
        for _ in range(20):
            page.keyboard.press(".")
        expect(page.locator("#step")).to_have_text("30")
        said = page.locator("#verdict").inner_text()
    fresh = Session(session.model)
    fresh.here.snapshot = session.model.first(PlayStart(), 0)
    inputs = {n: state[n] for n, level in session.model.automaton.layout.items() if level.input}
    batch = session.here.snapshot.batch
    first = fresh.here.snapshot.state.replace(inputs)
    fresh.here.snapshot = replace(session.here.snapshot, batch=Batch(first, batch.truth), begun=0)
    for _ in range(20):
        fresh.here.snapshot = session.model.next(fresh.here.snapshot)
    votes = session.model.task.votes(fresh.here.snapshot.batch)
    assert said.endswith(f"say {max(votes, key=lambda vote: vote.share.item()).name}"), name


def test_on_a_phone_the_verdict_stands_beside_the_picture_and_digit_0_is_seen_by_night(browser):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    )
    page = context.new_page()
    session = Session(PlayedModel.load("self_classifying_mnist_small", CPU))
    session.advance(30)
    with serving(session) as served:
        opened(page, served)
        expect(page.locator("#verdict")).to_contain_text("% of the cells say 7")
        verdict, picture, time = (
            page.locator(each).bounding_box()
            for each in ("#verdict", "#stage canvas", "footer.time")
        )
        assert 0 < verdict["y"] < verdict["y"] + verdict["height"] <= picture["y"] + 1
        assert picture["y"] - verdict["y"] < 60
        assert picture["y"] + picture["height"] < time["y"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        seen = "document.querySelector('#votes li i').style.background"
        light = page.evaluate("document.documentElement.dataset.theme === 'dark' && " + seen)
        assert contrast(light, "rgb(25, 28, 32)") >= 3
        page.evaluate("document.getElementById('theme').click()")
        until(lambda: page.evaluate(seen) == "rgb(0, 69, 135)")
    context.close()


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG has it."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_nothing_moves_as_the_numbers_grow(page: Page):
    session = Session(PlayedModel.load("life", CPU, size=(8, 8)))
    with serving(session) as served:
        opened(page, served)
        names = ("#step", "#rate", "#theme", "#play", "#speed", "#scrub", "#fork", "#radius")
        before = [page.locator(name).bounding_box() for name in names]
        page.evaluate(
            "() => { document.getElementById('step').textContent = '9,999,999';"
            " document.getElementById('rate').textContent = '10000';"
            " document.getElementById('radius-now').value = '15.5';"
            " document.getElementById('speed-now').value = 'fastest' }"
        )
        assert [page.locator(name).bounding_box() for name in names] == before


def test_every_button_says_in_words_what_it_does(page: Page, lizard: PlayedModel):
    with serving(Session(lizard)) as served:
        opened(page, served)
        buttons = page.locator("button:visible").all()
        assert len(buttons) > 12
        for button in buttons:
            words, name = button.inner_text().strip(), button.get_attribute("aria-label")
            assert words
            assert words.lower() in (name or words).lower(), "what is read is what is heard"


def test_it_opens_moving_and_goes_on_so_after_it_is_loaded_again(page: Page, lizard: PlayedModel):
    session = Session(lizard)
    with serving(session, moving=True) as served:
        opened(page, served)
        expect(page.get_by_label("Pause", exact=True)).to_be_visible()
        until(lambda: session.step > 3)
        page.reload()
        step = session.step
        until(lambda: session.step > step + 3)
        expect(page.get_by_label("Pause", exact=True)).to_be_visible()
        page.keyboard.press("Space")
        until(lambda: not served.hub.playing)
        page.reload()
        expect(page.get_by_label("Play", exact=True)).to_be_visible()
        assert not served.hub.playing


def test_an_automaton_that_does_not_hold_where_it_opens_stands_still(page: Page):
    session = Session(PlayedModel.load("glom_mnist", CPU))
    session.model.pause or pytest.skip("it holds")
    session.advance(session.model.pause.measured)
    with serving(session, moving=True) as served:
        opened(page, served)
        expect(page.get_by_label("Play", exact=True)).to_be_visible()
        assert not served.hub.playing
        anew = session.model.input_change == "begin anew"
        expect(page.locator("#anew")).to_be_visible(visible=anew)


def test_long_work_is_said_and_stopped_on_the_page(page: Page):
    # minutes of work, so that it cannot end before a slow page is told to stop it
    session = Session(PlayedModel.load("growing", CPU, size=(240, 240)))
    with serving(session) as served:
        opened(page, served)
        page.evaluate("import('/page/wire.js').then(wire => wire.send('step', { count: 1000 }))")
        expect(page.locator("#busy")).to_contain_text("Working")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#said")).to_have_text("Stopped.")
        expect(page.locator("#busy")).to_be_hidden()
        assert session.step < 1000


def test_the_file_that_a_browser_is_given_leads_to_the_page(page: Page, monkeypatch, lizard):
    class Browser(webbrowser.BaseBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            page.goto(url)
            return True

    monkeypatch.setattr(webbrowser, "get", Browser)
    ending = Ending()
    with serving(Session(lizard)) as served:
        assert open_in_browser(served.address, ending)
        expect(page.locator("#stage canvas").first).to_be_visible()
        ending.clean()
