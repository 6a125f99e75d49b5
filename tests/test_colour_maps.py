"""Colours for numbers and states: what they are, how tasks name them, and how pages show them."""

from dataclasses import replace

import pytest
import torch
from page_case import opened, read, trained

import nca
from nca import Layout, Level, MappedColours, StateColours
from nca.display import COLOUR_MAPS, Display, colour_map, laid_flat, map_colours, state_palette
from nca.errors import NCAError
from nca.export import write_html
from nca.render.palettes import CONTRAST, _oklab, colour_contrast
from nca.tasks.contract import _shown

LAYOUT = Layout([Level("body", channels=2)])


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_equal_steps_of_a_number_look_equally_large(name):
    table = colour_map(name)
    assert table.shape == (256, 3)
    assert 0 <= table.min() < table.max() <= 1
    places = _oklab(table)
    steps = (places[24:] - places[16:-8]).norm(dim=1)  # near black, Oklab overrates them
    most = 8 if name == "twilight" else 4  # which turns back
    assert steps.max() < most * steps.min(), "one step looks far larger than another"
    if name == "twilight":
        assert (places[0] - places[-1]).norm() < 0.02, "it comes round"
    else:
        assert (places[1:, 0] >= places[:-1, 0] - 1e-3).all(), "it grows lighter"


def test_a_colour_map_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(NCAError, match="there is no colour map 'viridus'") as refused:
        colour_map("viridus")
    assert "`viridis`" in refused.value.to_do
    with pytest.raises(NCAError, match="there is no colour map"):
        colour_map("../viridis")


def test_numbers_are_mapped_and_what_is_none_has_the_low_end():
    table = torch.eye(3)
    values = torch.tensor([[-9.0, 1.0, 2.0, 3.0, 9.0, torch.nan, torch.inf, -torch.inf]])
    found = map_colours(values, table, 1.0, 3.0)[0].argmax(dim=0)
    assert found.tolist() == [0, 0, 1, 2, 2, 0, 2, 0]


@pytest.mark.parametrize("paper", [torch.ones(3), torch.tensor([0.05, 0.05, 0.06])])
@pytest.mark.parametrize("count", [1, 2, 3, 14, 40])
def test_states_differ_and_the_first_is_the_paper(count, paper):
    colours = state_palette(count, paper)
    assert colours.shape == (count, 3)
    assert torch.equal(colours[0], paper)
    apart = torch.cdist(colours, colours).fill_diagonal_(9)
    assert apart.min() > 0.04, "two look alike"
    if paper.mean() < 0.5 and count > 1:
        assert colour_contrast(colours[1:], paper).min() >= CONTRAST


def state(**values) -> nca.State:
    given = LAYOUT.zeros(1, (2, 3))
    return given.replace({"body": torch.tensor([[[[0.0, 1, 2]] * 2, [[-1.0, 0.5, 9]] * 2]])})


def test_looks_paint_what_they_say():
    found = MappedColours("body", 1, "gray", low=0.0, high=1.0).picture(state())
    assert found.shape == (1, 3, 2, 3)
    assert found[0, :, 0, 0].tolist() == [0, 0, 0]
    assert found[0, :, 0, 2].tolist() == [1, 1, 1]
    look = StateColours("body", 0, torch.eye(3), ("a", "b", "c"))
    assert look.picture(state())[0, :, 1].argmax(dim=0).tolist() == [0, 1, 2]
    strange = state().replace({"body": torch.full((1, 2, 2, 3), torch.nan)})
    assert look.picture(strange)[0].argmax(dim=0).unique().tolist() == [0]


def test_one_and_three_axes_are_laid_flat():
    assert laid_flat(torch.zeros(2, 3, 7)).shape == (2, 3, 1, 7)
    cube = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(1, 1, 5, 4, 3)
    assert laid_flat(cube).shape == (1, 1, 4, 3)
    assert (laid_flat(cube) == 2).all()


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (MappedColours("body", 2), "of channel 2 of a level that has 2"),
        (MappedColours("none"), "a level 'none', which is none"),
        (MappedColours("body", 0, "jet"), "the colour map 'jet', which is none"),  # pyright: ignore
        (MappedColours("body", 0, low=1.0, high=1.0), "from 1.0 to 1.0"),
        (StateColours("body", -1, torch.eye(3), ("a", "b", "c")), "of channel -1"),
        (StateColours("body", 0, torch.eye(3), ("a", "b")), "of 2 states in colours (3, 3)"),
        (StateColours("body", 0, torch.zeros(0, 3), ()), "of 0 states"),
    ],
)
def test_a_look_that_does_not_fit_is_at_fault(look, words):
    class Asked:
        class context:  # noqa: N801
            layout = LAYOUT

    assert words in _shown(Asked, Display(state(), look))
    assert "a lattice 'cubic'" in _shown(Asked, Display(state(), lattice="cubic"))  # pyright: ignore
    assert not _shown(Asked, Display(state(), MappedColours("body"), lattice="hexagonal"))


@pytest.mark.parametrize(
    "look",
    [
        MappedColours("body", 3, "viridis", -0.2, 1.1),
        StateColours("body", 0, state_palette(2), ("dead", "alive")),
    ],
    ids=["mapped", "states"],
)
def test_an_exported_page_shows_what_torch_shows(page, tmp_path, monkeypatch, look):
    loaded = trained("growing")
    shown = replace(loaded.task.display(), look=look)
    monkeypatch.setattr(type(loaded.task), "display", lambda _: shown)
    write_html(loaded, tmp_path / "page.html", 4, check=False)
    opened(page, tmp_path / "page.html")
    page.evaluate("nca.reset(), nca.step(20), nca.show()")
    now = read(page, loaded.automaton, (32, 32))
    pixels = page.evaluate(
        """() => { const { stage } = nca, gl = stage.gl, [height, width] = stage.size;
        stage.look(0); const seen = new Uint8Array(width * height * 4);
        gl.bindFramebuffer(gl.FRAMEBUFFER, stage.looks[0].frame);
        gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, seen);
        return [...seen]; }"""
    )
    found = torch.tensor(pixels).view(32, 32, 4)[..., :3].movedim(-1, 0) / 255
    wanted = look.picture(now)[0]
    assert wanted.std() > 0.05, "there is nothing to see"
    close = (found - wanted).abs().amax(dim=0) < 2.5 / 255
    assert close.float().mean() > 0.995  # at a boundary between two shades rounding decides
