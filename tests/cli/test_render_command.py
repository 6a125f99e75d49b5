"""`nca render`: what it draws, where, and what it says when it cannot."""

import pytest
import torch
from examination_case import saved
from PIL import Image, ImageSequence

from nca.animation import WRITERS


@pytest.fixture
def case(here):
    return saved("regrow", here / "case.safetensors").name


def frames(path):
    with Image.open(path) as film:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format_is_written_from_the_command_line(nca, case, here, ending):
    out = f"film{ending}"
    given = ["--steps", "6", "--damage", "2:half:0.5:left", "--scale", "4"]
    result = nca("render", case, "--out", out, *given)
    assert (result.code, result.out) == (0, f"{out}\n"), result.err
    assert (here / out).stat().st_size > 200


def test_damage_is_seen_at_its_step_and_heals(nca, case, here):
    given = ["--steps", "6", "--samples", "1", "--scale", "2", "--rate", "10"]
    nca("render", case, "--out", "a.apng", *given, "--damage", "2:half:0.5:left")
    film = frames(here / "a.apng")
    # whole, whole, cut, 0.25, 0.5, 0.75, whole; the words above differ throughout
    left = [frame.getpixel((10, 30))[0] for frame in film]
    right = [frame.getpixel((20, 30))[0] for frame in film]
    assert len(film) == 7
    assert left[:3] == [255, 255, 0]
    assert left[2] < left[3] < left[4] < left[5] < left[6] == 255
    assert right == [255] * 7


def test_a_wide_stage_is_drawn_with_many_seeds(nca, here, case):
    given = ["--size", "10x40", "--seeds", "3", "--scale", "1", "--steps", "1", "--every", "1"]
    result = nca("render", case, "--out", "wide.png", *given)
    assert result.code == 0, result.err
    with Image.open(here / "wide.png") as sheet:
        assert sheet.width > 80
    assert nca("render", case, "--size", "4x4").code == 1
    assert "cannot be set on a stage of [4, 4]" in nca("render", case, "--size", "4x4").err


def test_a_stage_needs_an_automaton_without_input(nca, done):
    result = nca("render", "done", "--plugin", "blobs.py", "--size", "20x20")
    assert result.code == 1
    assert "to do:  use an automaton that grows without input" in result.err


def test_channels_and_levels_are_chosen(nca, done, here):
    given = ["--plugin", "blobs.py", "--samples", "2", "--steps", "3", "--every", "3"]
    given += ["--scale", "1"]
    assert nca("render", "done", *given, "--channels", "0", "--level", "image").code == 0
    with Image.open(here / "tiny.png") as sheet:
        grey = {pixel for _, pixel in sheet.getcolors()}
    assert all(r == g == b for r, g, b in grey)
    for chosen in (["--level", "body"], ["--level", "body", "--channels", "0,1,2"]):
        assert nca("render", "done", *given, *chosen).code == 0
    wrong = nca("render", "done", *given, "--level", "body", "--channels", "0,9,1")
    assert wrong.code == 1
    assert "channels 0, 9, 1 of level 'body' make no picture." in wrong.err
    assert "there is no level 'bod'" in nca("render", "done", *given, "--level", "bod").err


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (["--damage", "disc:0.2"], 1, "write it like 60:disc:0.2"),
        (["--damage", "2:disk:0.2"], 1, "did you mean 'disc'?"),
        (["--damage", "99:disc:0.2", "--steps", "4"], 1, "run longer: --steps 99"),
        (["--turn", "2:90"], 1, "none of the rules has an angle"),
        (["--size", "wide"], 2, "128x512"),
        (["--channels", "red"], 2, "0,1,2"),
    ],
)
def test_what_cannot_be_drawn_is_told(nca, case, here, given, code, words):
    result = nca("render", case, *given)
    assert result.code == code
    assert words in result.err
    assert not list(here.glob("*.png"))


def test_a_turn_is_drawn(nca, done, here):
    given = ["--plugin", "blobs.py", "--steps", "4", "--every", "4", "--level", "body"]
    assert nca("render", "done", *given, "--turn", "1:90", "--out", "a.png").code == 0
    assert torch.is_grad_enabled()
    assert (here / "a.png").is_file()
