"""Pages compute in a real browser what torch computes, whatever a hand does to the cells."""

import pytest
import torch
from page_case import STEPS, assert_close_levels, opened, read, trained, until
from playwright.sync_api import Page
from torch.testing import assert_close

from nca import Automaton, State
from nca.checkpoint.trained import Trained
from nca.export import write_html
from nca.export.texels import base64_of, numbers_of
from nca.types import Size


@torch.no_grad()
def assert_steps_agree(page: Page, automaton: Automaton, size: Size, steps: int) -> State:
    before = read(page, automaton, size)
    page.evaluate(f"for (let n = 0; n < {steps}; ++n) nca.step()")
    after = read(page, automaton, size)
    assert after != before, "nothing moved"
    assert_close_levels(after, automaton.rollout(before, steps))
    return after


def test_twenty_steps_from_the_seed_are_those_of_torch_cell_by_cell(page, pages):
    loaded, file = pages("growing")
    opened(page, file)
    page.evaluate("nca.reset()")
    seed = read(page, loaded.automaton, (32, 32))
    assert seed == loaded.task.display().first
    grown = assert_steps_agree(page, loaded.automaton, (32, 32), STEPS)
    assert (grown["body"][:, 3] > 0.1).sum() > 50
    # and with all cells firing
    page.evaluate("nca.rate = 1")
    with torch.no_grad():
        expected = loaded.automaton.rollout(grown, STEPS, fire_rate=1.0)
    page.evaluate(f"for (let n = 0; n < {STEPS}; ++n) nca.step()")
    assert_close_levels(read(page, loaded.automaton, (32, 32)), expected)


def test_cells_that_cannot_tell_up_from_down_grow_as_in_torch(page, pages):
    loaded, file = pages("growing_isotropic")
    opened(page, file)
    page.evaluate("nca.reset()")
    grown = assert_steps_agree(page, loaded.automaton, (28, 28), STEPS)
    assert (grown["body"][:, 3] > 0.1).sum() > 50
    assert page.locator("#turning").is_hidden(), "there is nothing to turn"


def test_a_cut_empties_a_disc_and_life_goes_on_as_in_torch(page, pages):
    loaded, file = pages("growing")
    opened(page, file)
    page.evaluate("nca.step(48)")
    before = read(page, loaded.automaton, (32, 32))
    page.get_by_role("button", name="Cut").click()
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    after = read(page, loaded.automaton, (32, 32))
    radius = page.evaluate("TOOLS.cut.brush")
    away = torch.arange(32) + 0.5 - 16
    outside = away[:, None] ** 2 + away**2 > radius**2
    assert (before["body"] * ~outside).any(), "there was nothing to cut"
    assert torch.equal(after["body"], before["body"] * outside)
    assert_steps_agree(page, loaded.automaton, (32, 32), 8)


def test_play_lets_time_pass_and_pause_stops_it(page, pages):
    _, file = pages("growing")
    opened(page, file)
    begun = page.evaluate("nca.stage.engine.step")
    page.keyboard.press("Space")
    until(page, f"nca.stage.engine.step > {begun} + 4")
    page.get_by_role("button", name="Pause").click()
    stopped = page.evaluate("nca.stage.engine.step")
    page.wait_for_timeout(150)
    assert page.evaluate("nca.stage.engine.step") == stopped
    page.keyboard.press(".")
    assert page.evaluate("nca.stage.engine.step") == stopped + 1
    until(page, f"document.querySelector('#clock').textContent == 'step {stopped + 1}'")


def test_a_seed_is_sown_where_one_presses(page, pages):
    _, file = pages("growing")
    opened(page, file)
    page.evaluate("nca.reset()")
    page.get_by_role("button", name="Sow").click()
    page.evaluate("nca.apply([3.5, 29.5], [3.5, 29.5])")
    alpha = page.evaluate("Array.from(nca.stage.engine.read(0).slice(3 * 1024, 4 * 1024))")
    assert [n for n, value in enumerate(alpha) if value] == [3 * 32 + 29, 16 * 32 + 16]


@torch.no_grad()
def test_the_perception_turns_as_it_does_in_torch(page, pages):
    _, file = pages("growing")
    turned = Trained.load(
        "growing", torch.device("cpu"), ("levels.body.rules.0.angle=1.0471975511965976",)
    ).automaton
    opened(page, file)
    page.evaluate("nca.reset()")
    page.locator("#angle").fill("60")
    assert page.locator("#angle-said").text_content() == "60°"
    assert_steps_agree(page, turned, (32, 32), STEPS)


def test_a_greater_grid_wraps_as_in_torch(page, pages):
    loaded, file = pages("growing")
    opened(page, file)
    page.locator("#size").select_option("[64,64]")
    page.evaluate("nca.apply([63.5, 0.5], [63.5, 0.5])")
    page.evaluate("nca.choose('sow')")
    page.evaluate("nca.apply([63.5, 0.5], [63.5, 0.5])")
    state = assert_steps_agree(page, loaded.automaton, (64, 64), 12)
    assert (state["body"][0, 3, 0, -2:] > 0).any(), "nothing has crossed the edge"


@pytest.mark.parametrize("name", ["self_classifying_mnist_small", "glom_mnist"])
def test_what_is_drawn_is_judged_as_in_torch(page, pages, name):
    loaded, file = pages(name)
    size = loaded.recipe.tables.grid.size
    opened(page, file)
    page.evaluate("nca.reset()")
    middle = page.evaluate("nca.place({clientX: 0, clientY: 0}) && nca.stage.size[1] / 2")
    # a one, drawn with the mouse
    box = page.locator("#canvas").bounding_box()
    scale = box["width"] / size[1]
    page.get_by_role("button", name="Draw").click()
    page.mouse.move(box["x"] + middle * scale, box["y"] + 0.2 * size[0] * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + middle * scale, box["y"] + 0.8 * size[0] * scale, steps=4)
    page.mouse.up()
    drawn = read(page, loaded.automaton, size)
    mean, deviation = loaded.task.normalise
    pixels = drawn["image"] * deviation + mean
    assert_close(pixels.amax(), torch.tensor(1.0))
    assert_close(pixels.amin(), torch.tensor(0.0), rtol=0, atol=1e-5)
    after = assert_steps_agree(page, loaded.automaton, size, STEPS)
    scores = loaded.task.scores(after)
    live = pixels.amax(dim=1) > (loaded.task.ink if loaded.task.cells == "live" else -1.0)
    counts = torch.bincount(scores.argmax(dim=1)[live], minlength=10)
    assert page.evaluate("nca.stage.votes(0).counts") == counts.tolist()
    page.evaluate("nca.show()")
    share = round(100 * counts.max().item() / counts.sum().item())
    told = f"{share} % of the cells say {counts.argmax().item()}"
    assert page.locator("#verdict").text_content() == told
    assert counts.argmax() == 1


def test_attention_weighs_as_in_torch(page, pages):
    loaded, file = pages("glom_parts")
    opened(page, file)
    page.evaluate("nca.choose('draw'), nca.apply([3, 3], [12, 9]), nca.apply([12, 2], [9, 14])")
    assert_steps_agree(page, loaded.automaton, (16, 16), STEPS)


def test_levels_can_be_looked_at_one_by_one(page, pages):
    _, file = pages("glom_mnist")
    opened(page, file)
    names = page.locator("#views button").all_text_contents()
    assert names == ["picture", "part", "object", "scene"]

    def seen() -> str:
        return page.evaluate("nca.stage.draw(nca.view, nca.paper), canvas.toDataURL()")

    pictures = {seen()}
    page.evaluate("nca.step(5)")
    for name in ("part", "object", "scene"):
        page.locator("#views button", has_text=name).click()
        pictures.add(seen())
    assert len(pictures) == 4


def test_the_page_asks_for_nothing(page, pages):
    _, file = pages("growing")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, file)
    assert asked == [file.as_uri()]
    assert file.stat().st_size < 110_000


@torch.no_grad()
def test_half_as_wide_textures_stay_near(page, pages):
    loaded, file = pages("growing")
    opened(page, file)
    seed = loaded.task.display().first
    trial = {"all": True, "step": 0, "steps": 10, "levels": [base64_of(seed["body"])]}
    given = {"size": [32, 32], "trials": [trial]}
    found = page.evaluate(
        "given => runTrials(document.createElement('canvas').getContext('webgl2'),"
        " plan, given, true)",
        given,
    )
    assert found["exact"] is False
    expected = loaded.automaton.rollout(seed, 10, fire_rate=1.0)["body"]
    away = (numbers_of(found["found"][0][0]).view_as(expected) - expected).abs().max()
    assert 0 < away < 0.05


@torch.no_grad()
def test_an_example_is_what_the_task_shows_its_automaton(page, tmp_path):
    loaded = trained("glom_parts")
    loaded.prepare(None, lambda *told: None)
    write_html(loaded, tmp_path / "parts.html", 2, check=False)
    opened(page, tmp_path / "parts.html")
    page.locator("#examples button").nth(3).click()
    shown = read(page, loaded.automaton, (16, 16))["image"]
    scenes = next(iter(loaded.task.evaluation_batches("test", 4))).state["image"]
    assert_close(shown, scenes[3:], rtol=0, atol=1e-6)
    assert not torch.equal(shown, scenes[2:3])


def test_a_browser_without_webgl_is_told_so(page, pages):
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(pages("growing")[1].as_uri())
    fault = page.get_by_role("alert")
    assert fault.text_content() == "This page cannot run here: this browser has no WebGL2"
    assert fault.is_visible()
    assert not page.locator("#canvas").is_visible()


def test_a_page_of_a_pattern_offers_only_what_works_there(page, pages):
    opened(page, pages("wireworld")[1])
    words = (page.locator("header").text_content() or "").lower()
    assert not [word for word in ("draw", "paste", "drop") if word in words]
    names = page.locator("#tools button").all_text_contents()
    assert "Draw" not in names
    assert "Cut" in names
