"""Targets, from a path or a name to the tensor that a loss compares with, and back to paper."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.errors import PluginError, RegistryError, ShapeError, TargetError
from nca.registry.registry import register, registry
from nca.render.load import load_picture, load_target, to_rgb_on_white
from nca_plugins import targets

ANIMALS = ("butterfly", "lizard", "planarian")
RED = (255, 0, 0, 255)


@pytest.fixture(autouse=True)
def _known_targets():
    with registry.preserved():
        for name in (*ANIMALS, "emoji"):
            registry.add("target", name, getattr(targets, name))
        yield


@pytest.fixture
def _emoji_font():
    if not targets.emoji_fonts():
        pytest.skip("this machine has no colour emoji font (apt install fonts-noto-color-emoji)")


def plain(path: Path, width: int = 8, height: int = 8, colour: tuple[int, ...] = RED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(("L", "LA", "RGB", "RGBA")[len(colour) - 1], (width, height), colour).save(path)
    return path


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def load(spec: str, folder: Path, side: int = 8, padding: int = 0) -> Tensor:
    return load_target(spec, side=side, padding=padding, folder=folder)


def fault(spec: str, folder: Path, side: int = 8, padding: int = 0) -> TargetError:
    with pytest.raises(TargetError) as caught:
        load(spec, folder, side, padding)
    assert str(caught.value).count("\n") == 2, "what, where and to do are one line each"
    return caught.value


def test_a_picture_of_the_right_side_is_taken_pixel_by_pixel_times_its_alpha(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(8, 8, 4))
    save(tmp_path / "a.png", pixels)
    straight = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    expected = torch.cat((straight[:3] * straight[3:], straight[3:]))
    torch.testing.assert_close(load("a.png", tmp_path), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("width", "height", "side"), [(64, 64, 8), (8, 8, 20), (90, 40, 31)])
def test_a_half_transparent_picture_keeps_its_colour_at_any_scale(tmp_path, width, height, side):
    plain(tmp_path / "a.png", width, height, (200, 100, 50, 128))
    target = load("a.png", tmp_path, side)
    inside = target[:, target[3] > 0]
    expected = torch.tensor([200 * 128 / 255, 100 * 128 / 255, 50 * 128 / 255, 128]) / 255
    torch.testing.assert_close(inside, expected[:, None].expand_as(inside), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", [16, 100])
def test_colour_under_transparent_pixels_does_not_bleed_in_when_scaled(tmp_path, side):
    pixels = np.full((64, 64, 4), (0, 255, 0, 0))
    pixels[16:48, 16:48] = RED
    save(tmp_path / "a.png", pixels)
    target = load("a.png", tmp_path, side)
    assert target[1].max() == 0
    torch.testing.assert_close(target[0], target[3])


@pytest.mark.parametrize("side", [23, 77])
def test_no_value_leaves_its_range_where_the_filter_overshoots(tmp_path, side):
    checks = np.indices((50, 50)).sum(axis=0) // 5 % 2
    pixels = np.stack((checks * 255, 255 - checks * 255, checks * 0, checks * 155 + 100), axis=-1)
    save(tmp_path / "a.png", pixels)
    target = load("a.png", tmp_path, side)
    assert target.min() >= 0
    assert target.max() <= 1
    assert (target[:3] <= target[3:]).all()


@pytest.mark.parametrize(
    ("size", "left", "top"),
    [((40, 20), 0, 5), ((20, 40), 5, 0), ((3, 2), 0, 3), ((400, 1), 0, 9), ((6, 6), 0, 0)],
)
def test_the_longest_side_is_met_and_the_shorter_one_centred(tmp_path, size, left, top):
    plain(tmp_path / "a.png", *size)
    width, height = (max(1, round(20 * length / max(size))) for length in size)
    expected = torch.zeros(4, 26, 26)
    expected[(0, 3), 3 + top : 3 + top + height, 3 + left : 3 + left + width] = 1
    target = load("a.png", tmp_path, side=20, padding=3)
    torch.testing.assert_close(target, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.tiff"])
def test_every_format_with_transparency_reads_alike(tmp_path, name):
    picture = Image.new("RGBA", (8, 8))
    picture.paste(RED, (2, 2, 6, 6))
    picture.save(tmp_path / name, lossless=True)
    expected = torch.zeros(4, 8, 8)
    expected[(0, 3), 2:6, 2:6] = 1
    torch.testing.assert_close(load(name, tmp_path), expected)


@pytest.mark.parametrize("spec", ["pictures/a.PNG", "./pictures/a.PNG", "{}/pictures/a.PNG"])
def test_a_path_is_absolute_or_starts_in_the_given_folder(tmp_path, monkeypatch, spec):
    plain(tmp_path / "recipes/pictures/a.PNG")
    monkeypatch.chdir(tmp_path)
    assert load(spec.format(tmp_path / "recipes"), tmp_path / "recipes")[0].sum() == 64


def test_a_file_without_a_suffix_is_a_path_and_a_folder_is_not(tmp_path):
    plain(tmp_path / "a.png").rename(tmp_path / "butterfly")
    (tmp_path / "lizard").mkdir()
    assert load("butterfly", tmp_path)[0].sum() == 64
    red, green, *_ = load("lizard", tmp_path, side=40).mean(dim=(1, 2))
    assert green > red > 0


@pytest.mark.parametrize(
    "spec", [r"C:\x.png", r"C:\x", "D:/x", r"a\x", "a/x", "lizard.png", "x.SVG"]
)
def test_what_looks_like_a_path_is_never_taken_for_a_name(tmp_path, spec):
    assert re.search("no picture named|folder does not exist", fault(spec, tmp_path).what)


@pytest.mark.parametrize(
    ("spec", "name", "argument"),
    [
        ("mark", "mark", ""),
        ("mark:a:b/c", "mark", "a:b/c"),
        ("m:1", "m", "1"),
        ("v1.5", "v1.5", ""),
    ],
)
def test_a_name_is_drawn_with_what_follows_its_first_colon(tmp_path, spec, name, argument):
    def draw(given: str, side: int) -> Image.Image:
        assert (given, side) == (argument, 10)
        return Image.new("RGBA", (9, 18), RED)  # another side than asked for: it is scaled

    registry.add("target", name, draw)
    target = load(spec, tmp_path, side=10)
    assert target[3].amax(dim=0).round().nonzero()[:, 0].tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("drawing", [None, Image.new("RGB", (8, 8)), Image.new("RGBa", (8, 8))])
def test_a_target_that_draws_anything_but_rgba_is_named_as_the_culprit(tmp_path, drawing):
    registry.add("target", "odd", lambda argument, side: drawing)
    with pytest.raises(PluginError, match="the target 'odd' drew"):
        load("odd", tmp_path)


@pytest.mark.parametrize(
    ("size", "words"), [((0, 5), "is empty"), ((20_000, 20_000), "megapixels")]
)
def test_a_drawn_picture_keeps_the_limits_of_those_that_are_read(tmp_path, size, words):
    made = Image.new("RGBA", (1, 1))
    made._size = size  # its pixels are not asked for

    with registry.preserved():
        register.target("sized")(lambda argument, side: made)
        with pytest.raises(TargetError, match=words):
            load_target("sized", side=8, folder=tmp_path)


def test_a_drawn_picture_that_is_closed_is_refused(tmp_path):
    made = Image.new("RGBA", (8, 8))
    made.close()
    registry.add("target", "closed", lambda argument, side: made)
    with pytest.raises(TargetError, match="cannot be used"):
        load("closed", tmp_path)


def test_a_target_takes_an_argument_and_a_side():
    with registry.preserved(), pytest.raises(PluginError, match="of an argument and a side"):
        register.target("narrow")(lambda side: None)


def test_an_unknown_name_of_any_length_is_refused_and_brings_the_nearest_one(tmp_path):
    with pytest.raises(RegistryError, match=r"no target named 'lizrd'[^`]*did you mean `lizard`"):
        load("lizrd", tmp_path)
    with pytest.raises(RegistryError, match="no target named 'aaa"):
        load("a" * 5000, tmp_path)


def test_a_missing_picture_is_answered_with_the_nearest_name(tmp_path):
    plain(tmp_path / "lizard.png")
    (tmp_path / "notes.txt").write_text("")
    error = fault("lizzard.png", tmp_path)
    assert error.what == "there is no picture named 'lizzard.png'."
    assert error.where == f"{tmp_path / 'lizzard.png'}; pictures in that folder: lizard.png"
    assert error.to_do.startswith("did you mean `lizard.png`? ")
    assert "did you mean" not in fault("unlike.webp", tmp_path).to_do
    assert "folder does not exist" in fault("nowhere/lizard.png", tmp_path).what


def test_what_cannot_be_read_as_a_picture_is_refused(tmp_path, monkeypatch):
    whole = plain(tmp_path / "whole.png", 30, 30).read_bytes()
    for content in (b"", b"not a picture", whole[: len(whole) // 2], whole[:8] + bytes(60)):
        (tmp_path / "a.png").write_bytes(content)
        error = fault("a.png", tmp_path)
        assert error.what == "the picture cannot be read."
        assert error.where.startswith(f"{tmp_path / 'a.png'}: ")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "megapixels; at most" in fault("whole.png", tmp_path).what


@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("a.png", "RGB"), ("b.png", "L")])
def test_a_picture_without_alpha_is_refused_with_the_way_to_get_one(tmp_path, name, mode):
    plain(tmp_path / name, colour=(9,) * len(mode))
    error = fault(name, tmp_path)
    assert error.what == f"the target has no transparency: its pixels are {mode} without alpha."
    assert "transparent background" in error.to_do


def test_a_picture_that_shows_nothing_is_refused(tmp_path):
    plain(tmp_path / "a.png", colour=(255, 255, 255, 0))
    assert fault("a.png", tmp_path).what == "the target is empty: every pixel of it is transparent."
    speck = np.zeros((400, 400, 4))
    speck[200, 200] = RED
    save(tmp_path / "b.png", speck)
    assert "at side 8" in fault("b.png", tmp_path).where
    assert load("b.png", tmp_path, side=400)[3].sum() == 1


def test_impossible_sizes_are_refused(tmp_path):
    assert "side 3 is too small" in fault("lizard", tmp_path, side=3).what
    assert "a padding of -1" in fault("lizard", tmp_path, padding=-1).what


def test_paper_shows_through_as_far_as_alpha_lets_it():
    rgba = torch.tensor([[0, 0, 0, 0], [0.5, 0, 0, 0.5], [0.5, 0.5, 0.5, 7], [3, -3, 0.25, -2]])
    white = torch.tensor([[1, 1, 1], [1, 0.5, 0.5], [0.5, 0.5, 0.5], [1, 0, 1]])
    for lead in ((), (2,), (2, 3)):
        given, expected = rgba.T[:, None].expand(*lead, 4, 1, 4), white.T[:, None]
        torch.testing.assert_close(to_rgb_on_white(given), expected.expand(*lead, 3, 1, 4))
    for shape in ((3, 5, 6), (16, 5, 6), (5, 4)):
        with pytest.raises(ShapeError, match="needs 4 channels"):
            to_rgb_on_white(torch.zeros(shape))


@pytest.mark.parametrize("name", ANIMALS)
def test_an_animal_is_the_same_every_time_at_every_side_and_takes_no_argument(tmp_path, name):
    draw = registry.get("target", name)
    large = load(name, tmp_path, side=320)
    for side in (8, 40, 80):
        assert draw("", side).size == (side, side)
        assert draw("", side).tobytes() == draw("", side).tobytes()
        reduced = torch.nn.functional.adaptive_avg_pool2d(large, side)
        assert (load(name, tmp_path, side) - reduced).abs().mean() < 0.01
    assert fault(f"{name}:blue", tmp_path).what == f"the target {name!r} takes no argument."


@pytest.mark.parametrize("name", ANIMALS)
def test_an_animal_fills_its_canvas_and_does_not_run_off_it(tmp_path, name):
    alpha = load(name, tmp_path, side=256)[3]
    for axis in (0, 1):
        line = alpha.amax(dim=axis).nonzero()[:, 0]
        assert 0 < line[0] < 16
        assert 239 < line[-1] < 255
    assert 0.25 < alpha.mean() < 0.75
    assert ((alpha == 0) | (alpha == 1)).float().mean() > 0.95, "only edges may be soft"


def test_the_animals_differ_and_the_lizard_is_green(tmp_path):
    drawn = [load(name, tmp_path, side=40) for name in ANIMALS]
    for one, other in ((0, 1), (1, 2), (2, 0)):
        assert (drawn[one] - drawn[other]).abs().mean() > 0.1
    red, green, blue, _ = drawn[1].mean(dim=(1, 2))
    assert green > max(red, blue) + 0.1


@pytest.mark.usefixtures("_emoji_font")
@pytest.mark.parametrize("side", [8, 40, 200])
def test_an_emoji_is_cropped_to_itself_and_has_colour(tmp_path, side):
    target = load("emoji:🦎", tmp_path, side, padding=1)
    assert target.shape == (4, side + 2, side + 2)
    assert max((target[3].amax(dim=axis) > 0.2).sum() for axis in (0, 1)) >= side - 1
    assert (target[:3].amax(dim=0) - target[:3].amin(dim=0)).max() > 0.3
    assert torch.equal(load("emoji: 🦎\n", tmp_path, side, padding=1), target)
    assert (load("emoji:🦋", tmp_path, side, padding=1) - target).abs().mean() > 0.05


@pytest.mark.usefixtures("_emoji_font")
def test_an_argument_that_the_fonts_draw_blank_is_refused(tmp_path):
    error = fault("emoji:\u200b", tmp_path)
    assert error.what == "the emoji font draws nothing for '\\u200b'."
    assert "COLRv1" in error.to_do


def test_an_emoji_needs_an_argument_and_a_font(tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "emoji_fonts", list)
    for spec in ("emoji", "emoji:", "emoji:  "):
        assert fault(spec, tmp_path).what == "the target 'emoji' needs an emoji as its argument."
    error = fault("emoji:🦎", tmp_path)
    assert error.what == "this machine has no colour emoji font."
    assert "apt install fonts-noto-color-emoji" in error.to_do


def test_fonts_are_sought_in_folders_then_asked_of_fontconfig(tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "FONT_FOLDERS", ())
    for variable in ("HOME", "WINDIR", "PATH"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert targets.emoji_fonts() == []
    (tmp_path / "fc-list").write_text("#!/bin/sh\necho '/fonts/Some Colours.ttf: '\n")
    (tmp_path / "fc-list").chmod(0o755)
    assert targets.emoji_fonts() == [Path("/fonts/Some Colours.ttf")]
    own = tmp_path / ".local/share/fonts/deep/seguiemj.ttf"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"not a font")
    assert targets.emoji_fonts() == [own]
    assert targets.glyph(own, "🦎") is None


@pytest.mark.parametrize("kind", ["L", "P", "1"])
def test_a_picture_of_eight_bits_keeps_its_numbers(kind, tmp_path):
    values = np.arange(12).reshape(3, 4) if kind != "1" else np.eye(3, 4) * 255
    image = Image.fromarray(values.astype(np.uint8))
    if kind == "P":
        image = Image.new("P", (4, 3))
        image.putdata(list(range(12)))
        image.putpalette([n for n in range(256) for _ in range(3)])
    image.convert("1").save(tmp_path / "a.png") if kind == "1" else image.save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert picture.shape == (4, 3, 4)
    assert (picture[:3] * 255).round().equal(torch.from_numpy(values).float().expand(3, 3, 4))
    assert picture[3].eq(1).all()
