"""The gallery in a real browser: searched, chosen from by key and by finger, and come back to."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect
from served import serving, until
from test_play_gallery import HOSTILE, installed  # noqa: F401, a fixture

from nca.play import PlayedModel
from nca.play.gallery import PlayGallery


@pytest.fixture
def gallery() -> PlayGallery:
    return PlayGallery(lambda name: PlayedModel.load(name, torch.device("cpu")))


def test_it_is_searched_and_chosen_from_and_come_back_to(page: Page, gallery):
    with serving(None, moving=True, gallery=gallery) as served:
        page.goto(served.address)
        expect(page.locator("#search")).to_be_focused()
        page.keyboard.type("life")
        expect(page.locator(".card", has_text="Conway's Game").locator("img")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#name")).to_have_text("life")
        expect(page.locator("#gallery")).to_be_hidden()
        until(lambda: served.session.step > 2)
        life_session = served.session
        expect(page.locator("#stage canvas")).to_be_visible()

        page.keyboard.press("g")
        expect(page.locator("#gallery")).to_be_visible()
        until(lambda: not served.hub.playing)
        page.keyboard.press("Escape")
        expect(page.locator("#stage")).to_be_visible()
        until(lambda: served.hub.playing)
        assert served.session is life_session

        page.locator("#to-gallery").click()
        page.locator("#search").fill("nothing of the kind")
        expect(page.locator("#none")).to_be_visible()
        page.locator("#search").fill("wolfram")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("#name")).to_have_text("elementary")
        expect(page.locator("#what")).to_contain_text("128 cells")
        expect(page.locator("#view option")).not_to_have_count(0)
        until(lambda: served.session.step > 2)
        assert "#gallery" not in page.url

        page.keyboard.press("g")
        page.locator("#search").fill("B3/S23x")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("did you mean B3/S23?")
        page.locator("#search").fill("B36/S23:T32")
        page.keyboard.press("Enter")
        expect(page.locator("#what")).to_contain_text("32 \N{MULTIPLICATION SIGN} 32 cells")
        expect(page.locator("#name")).to_have_text("B36_S23_T32")


def test_names_and_reasons_of_others_are_shown_as_text(page: Page, gallery, installed: Path):  # noqa: F811
    with serving(None, moving=True, gallery=gallery) as served:
        page.goto(served.address)
        torn = page.locator(".card", has_text="torn")
        expect(torn).to_be_disabled()
        expect(torn).to_contain_text("Cannot be played: the recipe is no TOML")
        expect(page.locator(".card", has_text="touching")).to_contain_text("Executes touching.py")
        hostile = page.locator(".card", has_text="onerror")
        assert HOSTILE in hostile.inner_text()
        assert hostile.locator("img").count() == 1
        hostile.click()
        expect(page.locator("#name")).to_have_text(HOSTILE)
        expect(page.locator("#stage canvas")).to_be_visible()
        page.keyboard.press("g")
        page.locator(".card", has_text="raising").click()
        expect(page.locator("#said")).to_contain_text("nothing was found")
        expect(page.locator("#gallery")).to_be_visible()


def test_after_a_picture_that_was_stopped_no_other_is_asked_for(page: Page, gallery):
    asked = []
    page.on("response", lambda given: asked.append(given.status) if "picture?" in given.url else 0)
    with serving(None, moving=True, gallery=gallery) as served:
        page.goto(served.address)
        page.locator("#search").fill("lenia")
        expect(page.locator(".card:not([hidden]) img").first).to_be_visible()
        served.hub.end()
        asked.clear()
        with page.expect_response(lambda given: given.status == 503):
            page.locator("#search").fill("")
        page.wait_for_timeout(500)
    assert set(asked) == {503}
    assert len(asked) < 5, "one for the search and each time that cards have come into view"


def test_on_a_phone_it_is_one_column(browser, gallery):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    )
    page = context.new_page()
    with serving(None, moving=True, gallery=gallery) as served:
        page.goto(served.address)
        card = page.locator(".card", has_text="Conway's Game")
        card.scroll_into_view_if_needed()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert card.bounding_box()["width"] > 340
        card.tap()
        expect(page.locator("#stage canvas")).to_be_visible()
    context.close()
