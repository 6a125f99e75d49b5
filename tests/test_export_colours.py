"""Pages of automata that see colours: examples in colour, ink of any colour, names of classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import RECIPE
from page_case import assert_close_levels, opened, read
from torch.testing import assert_close

from nca.checkpoint.read import read_recipe, weightless_checkpoint
from nca.checkpoint.trained import Trained
from nca.export import write_html
from nca.export.example import example_state

PATCH = ("levels.image.channels=12", "task.patch=2", "grid.size=[6, 6]")
EACH = ("levels.image.channels=6",)  # every colour twice


def exported(folder: Path, monkeypatch, changes: tuple[str, ...]) -> tuple[Trained, Path]:
    """Write the page of a classifier of coloured pictures with first weights."""
    monkeypatch.setenv("NCA_DATA", str(folder / "data"))
    images = np.random.default_rng(4).integers(0, 256, (12, 12, 12, 3), dtype=np.uint8)
    np.savez(folder / "own.npz", images=images, labels=np.arange(12) % 3)
    given = '"arrays", path = "own.npz", classes = ["apple", "pear", "plum"]'
    text = RECIPE.replace('"folder", path = "photos", size = [12, 12]', given)
    (folder / "mine.toml").write_text(text)
    recipe = read_recipe(str(folder / "mine.toml"), changes)
    loaded = Trained(
        Path("mine"),
        weightless_checkpoint(recipe, recipe.text),
        recipe,
        recipe.automaton().eval(),
        recipe.task().eval(),
        torch.device("cpu"),
    )
    loaded.prepare(None)
    assert write_html(loaded, folder / "page.html", 4, check=False) is None
    return loaded, folder / "page.html"


@pytest.mark.parametrize("changes", [PATCH, EACH])
@torch.no_grad()
def test_examples_and_ink_have_colours_and_votes_have_names(page, tmp_path, monkeypatch, changes):
    loaded, file = exported(tmp_path, monkeypatch, changes)
    size = loaded.recipe.tables.grid.size
    opened(page, file)
    names = page.locator("#votes b").all_text_contents()
    assert names == ["apple", "pear", "plum"]
    display = loaded.task.display()
    assert display.drawing is not None
    for number in range(3):
        page.locator("#examples button").nth(number).click()
        wanted = example_state(display, number)
        found = read(page, loaded.automaton, size)
        assert_close(found["image"], wanted["image"], atol=1e-6, rtol=0)
        assert page.locator("#examples button").nth(number).get_attribute("title") == names[number]
        shown = page.evaluate(PIXEL, ["#examples canvas", number, 3, 5])
        assert shown == (display.drawing.examples[number, :, 5, 3] * 255).round().tolist()
    begun = read(page, loaded.automaton, size)
    page.evaluate("nca.step(3)")
    assert_close_levels(read(page, loaded.automaton, size), loaded.automaton.rollout(begun, 3))
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Draw in blue").click()
    page.evaluate("([y, x]) => nca.apply([y, x], [y, x])", [size[0] / 2, size[1] / 2])
    blue = torch.tensor([50, 100, 210]) / 255
    drawn = page.evaluate("Array.from(nca.stage.pixels)")
    drawn = torch.tensor(drawn).view(3, 12, 12)
    assert_close(drawn[:, 6, 6], blue, atol=1e-6, rtol=0)
    assert_close(drawn[:, 0, 0], torch.zeros(3))
    # it is seen in its colour, at once
    assert page.evaluate("nca.show(), plan.views[nca.view].kind") == "drawn"
    middle = "Math.round(nca.stage.canvas.width / 2)"
    seen = page.evaluate(f"nca.show(), {PIXEL_OF_CANVAS.replace('MIDDLE', middle)}")
    assert seen == [50, 100, 210]


PIXEL = """([which, number, x, y]) => Array.from(document.querySelectorAll(which)[number]
  .getContext("2d").getImageData(x, y, 1, 1).data).slice(0, 3)"""
PIXEL_OF_CANVAS = """(() => { const gl = nca.stage.gl, one = new Uint8Array(4);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.readPixels(MIDDLE, MIDDLE - 2, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, one);
  return Array.from(one).slice(0, 3); })()"""
