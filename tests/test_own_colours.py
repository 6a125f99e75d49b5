"""Classes and pictures in colours: any number of classes, three channels, measured pixels."""

import numpy as np
import pytest
import torch
from drawn import RECIPE
from torch.testing import assert_close

from nca.checkpoint.read import read_recipe
from nca.display import CLASS_COLOURS, class_colours
from nca.recipe.errors import RecipeError
from nca.render.palettes import _oklab


def nearest(colours: torch.Tensor) -> float:
    places = _oklab(colours)
    return float((torch.cdist(places, places) + torch.eye(len(colours))).min())


@pytest.mark.parametrize(("count", "apart"), [(10, 0.09), (26, 0.09), (62, 0.06), (200, 0.03)])
def test_the_colours_of_many_classes_are_told_apart(count, apart):
    colours = class_colours(count)
    assert colours.shape == (count, 3)
    assert nearest(colours) > apart
    assert torch.equal(colours[: min(count, 10)], CLASS_COLOURS[:count])


def test_a_class_has_one_colour_however_many_there_are():
    assert torch.equal(class_colours(62)[:20], class_colours(20))
    assert torch.equal(class_colours(3), CLASS_COLOURS[:3])
    assert class_colours(5000).shape == (5000, 3)


def test_white_and_black_are_at_the_ends_of_oklab():
    ends = _oklab(torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    assert_close(ends, torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), atol=1e-4, rtol=0)


def task(folder, monkeypatch, images, labels, *changes):
    monkeypatch.setenv("NCA_DATA", str(folder / "data"))
    np.savez(folder / "own.npz", images=images, labels=labels)
    text = RECIPE.replace(
        '"folder", path = "photos", size = [12, 12]', '"arrays", path = "own.npz"'
    )
    (folder / "mine.toml").write_text(text)
    made = read_recipe(str(folder / "mine.toml"), changes).task()
    made.prepare(torch.device("cpu"))
    return made


RED = (
    np.full((12, 12, 12, 3), (255, 0, 51), np.uint8) * (np.arange(12) % 2 == 0)[:, None, None, None]
).astype(np.uint8)
PARITY = np.arange(12) % 2


def test_three_channels_of_a_level_hold_red_green_and_blue(tmp_path, monkeypatch):
    made = task(tmp_path, monkeypatch, RED, PARITY, "levels.image.channels=3")
    batch = next(made.evaluation_batches("test", 2))
    lit = batch.state["image"][batch.truth["label"] == 0]
    assert_close(lit[0, :, 3, 3], torch.tensor([1.0, 0.0, 0.2]))
    canvas = made.display().drawing
    assert (canvas.examples.shape, canvas.words) == ((2, 3, 12, 12), ("0", "1"))
    assert_close(canvas.examples[0, :, 3, 3], torch.tensor([1.0, 0.0, 0.2]))
    picture = torch.zeros(4, 12, 12)
    picture[1], picture[3] = 0.5, 1.0
    seen = made.apply_picture(batch, picture, "input").state["image"]
    assert_close(seen[0, :, 5, 5], torch.tensor([0.0, 0.5, 0.0]))


def test_cells_of_several_pixels_hold_their_colours_one_after_the_other(tmp_path, monkeypatch):
    changes = ("levels.image.channels=12", "task.patch=2", "grid.size=[6, 6]")
    made = task(tmp_path, monkeypatch, RED, PARITY, *changes)
    batch = next(made.evaluation_batches("test", 2))
    lit = batch.state["image"][batch.truth["label"] == 0]
    assert_close(lit[0, :, 3, 3], torch.tensor([1.0] * 4 + [0.0] * 4 + [0.2] * 4))
    picture = torch.ones(4, 12, 12)
    picture[0] = 0.25
    seen = made.apply_picture(batch, picture, "input").state["image"]
    assert_close(seen[0, :, 3, 3], torch.tensor([0.25] * 4 + [1.0] * 8))


def test_a_level_without_room_for_colours_is_a_fault(tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match="3 numbers each"):
        task(tmp_path, monkeypatch, RED, PARITY)


def test_what_is_measured_is_measured_on_training_images_alone(tmp_path, monkeypatch):
    images = np.arange(40 * 144).reshape(40, 12, 12) % 253 // 2
    images = images.astype(np.uint8)
    made = task(tmp_path, monkeypatch, images, np.arange(40) % 2, 'task.normalise="measured"')
    used = made.images["train"].double() / 255
    assert len(used) == 26
    expected = (float(used.mean()), float(used.std(unbiased=False)))
    assert made.normalise == pytest.approx(expected, abs=1e-6)
    level = next(made.evaluation_batches("train", 26)).state["image"]
    assert abs(float(level.mean())) < 1e-4
    assert abs(float(level.std(unbiased=False)) - 1) < 1e-4


def test_a_checkpoint_brings_what_was_measured(tmp_path, monkeypatch):
    images = np.full((20, 12, 12), 51, np.uint8)
    images[:, :6] = 0
    made = task(tmp_path, monkeypatch, images, np.arange(20) % 2, 'task.normalise="measured"')
    held = made.state_dict()
    assert "measured" in held
    other = task(tmp_path, monkeypatch, images * 2, np.arange(20) % 2, 'task.normalise="measured"')
    assert other.normalise != made.normalise
    other = read_recipe(str(tmp_path / "mine.toml"), ('task.normalise="measured"',)).task()
    other.load_state_dict(held)
    other.prepare(torch.device("cpu"))
    assert other.normalise == made.normalise


def test_a_recipe_that_measures_nothing_stores_nothing(tmp_path, monkeypatch):
    images = np.zeros((20, 12, 12), np.uint8)
    made = task(tmp_path, monkeypatch, images, np.arange(20) % 2)
    assert "measured" not in made.state_dict()
    assert made.normalise == (0.0, 1.0)


@pytest.mark.parametrize(("count", "held"), [(40, 6), (10, 1), (4, 1)])
def test_a_fifth_is_held_out_where_a_recipe_does_not_say(tmp_path, monkeypatch, count, held):
    images = np.zeros((count, 12, 12), np.uint8)
    made = task(tmp_path, monkeypatch, images, np.arange(count) % 2)
    assert len(made.labels["held_out"]) == held
    assert len(made.labels["train"]) == count - held - len(made.labels["test"])
