"""Folders of pictures as data sets: listed, read, cached and split."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import photos, picture, shape
from PIL import Image

from nca.data import NamedDataset, cached_arrays, read_picture
from nca.errors import DataError, PictureError
from nca.progress import Progress
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.registry import registry
from nca.validation.faults import OptionError


class Notes(Progress):
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.counts: list[tuple[str, int]] = []

    def begin(self, what, total=None, *, done=0, unit=""):
        self.counts.append((what, total))

    def note(self, text):
        self.texts.append(text)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NCA_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "prepared"


def folder(path: Path, **options):
    return registry.get("dataset", "folder")(path=str(path), **options)


def test_forty_pictures_of_every_size_and_mode_are_two_classes(tmp_path, data_folder):
    own, notes = folder(photos(tmp_path / "photos"), size=(12, 10)), Notes()
    train, test = (own.load(split, progress=notes) for split in ("train", "test"))
    assert own.classes == ("bar", "ring")
    assert (train.images.shape, test.images.shape) == ((32, 1, 12, 10), (8, 1, 12, 10))
    assert [loaded.labels.bincount().tolist() for loaded in (train, test)] == [[16, 16], [4, 4]]
    inked = (torch.cat([train.images, test.images]) > 128).float().mean(dim=(1, 2, 3))
    assert inked.min() > 0.05
    assert inked.max() < 0.6
    (said,) = notes.texts
    assert said.endswith("of a class: bar/.DS_Store, bar/._1.png, ring/notes.txt")
    assert ("pictures read", 40) in notes.counts
    assert len(list(data_folder.iterdir())) == 1


def test_the_same_pictures_are_kept_for_the_test_every_time(tmp_path):
    first, again = photos(tmp_path / "a"), photos(tmp_path / "b")
    one, two = (folder(each).load("test").images for each in (first, again))
    assert torch.equal(one, two)
    assert not torch.equal(one, folder(first).load("train").images[: len(one)])


def test_a_folder_may_say_itself_which_are_for_the_test(tmp_path):
    photos(tmp_path / "own" / "train", 3)
    photos(tmp_path / "own" / "test", 2)
    own = folder(tmp_path / "own")
    assert own.classes == ("bar", "ring")
    assert (len(own.load("train").labels), len(own.load("test").labels)) == (6, 4)


def test_classes_called_train_and_car_are_classes(tmp_path):
    assert folder(photos(tmp_path / "own", 3, ("car", "train"))).classes == ("car", "train")


def test_classes_are_counted_and_folders_in_them_are_looked_into(tmp_path):
    for name in ("10", "9"):
        (tmp_path / "own" / name / "more").mkdir(parents=True)
        picture("bar", 1).save(tmp_path / "own" / name / "a.png")
        picture("ring", 1).save(tmp_path / "own" / name / "more" / "b.PNG")
    own = folder(tmp_path / "own", test_share=0.0)
    assert own.classes == ("9", "10")
    assert (len(own.load("train").labels), len(own.load("test").labels)) == (4, 0)


def test_what_was_read_once_is_not_decoded_again(tmp_path, monkeypatch):
    own = photos(tmp_path / "photos", 3)
    before = folder(own).load("train").images
    monkeypatch.setattr("nca_plugins.own_data.folder.read_picture", None)
    assert torch.equal(folder(own).load("train").images, before)


@pytest.mark.parametrize("options", [{"size": (9, 9)}, {"invert": True}, {"fit": "crop"}])
def test_another_way_of_reading_has_a_cache_of_its_own(tmp_path, data_folder, options):
    own = photos(tmp_path / "photos", 3)
    before = folder(own).load("train").images
    after = folder(own, **options).load("train").images
    assert before.shape != after.shape or not torch.equal(before, after)
    assert len(list(data_folder.iterdir())) == 2


def test_a_changed_picture_is_read_anew(tmp_path):
    own = photos(tmp_path / "photos", 4)
    before = folder(own).load("train").images
    for number in range(4):
        Image.new("L", (9, 9), 255).save(own / "bar" / f"{number}.png")
    assert not torch.equal(folder(own).load("train").images, before)


def test_a_damaged_cache_is_made_anew_and_an_unwritable_one_done_without(tmp_path, monkeypatch):
    own = photos(tmp_path / "photos", 3)
    before = folder(own).load("train").images
    (cache,) = (tmp_path / "data" / "prepared").iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(whole[:200])
    assert torch.equal(folder(own).load("train").images, before)
    assert cache.read_bytes() == whole
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NCA_DATA", str(tmp_path / "file"))
    notes = Notes()
    assert torch.equal(folder(own).load("train", progress=notes).images, before)
    assert any("are not kept" in text for text in notes.texts)


def test_cached_arrays_are_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        assert cached_arrays("n", make, tmp_path)["a"].tolist() == [0, 1, 2]
    assert made == [1]


def faulty(root: Path) -> dict[str, str]:
    (root / "nothing").mkdir()
    (root / "loose").mkdir()
    picture("bar", 0).save(root / "loose" / "a.png")
    photos(root / "hollow", 1)
    (root / "hollow" / "empty").mkdir()
    photos(root / "more" / "train", 1)
    photos(root / "more" / "test", 1, ("bar", "disc"))
    return {
        "absent": "'absent' cannot be read: No such file or directory",
        "nothing": "'nothing' has no folder in it",
        "loose": "'loose' has no folder in it",
        "hollow": "'hollow' has no picture of the class 'empty'",
        "more": "'more' has classes to test alone: disc",
    }


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    for name, words in faulty(tmp_path).items():
        with pytest.raises(DataError, match=words):
            folder(tmp_path / name).load("train")


def test_a_damaged_picture_is_named(tmp_path):
    own = photos(tmp_path / "photos", 2)
    (own / "bar" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PictureError) as found:
        folder(own).load("train")
    assert str(own / "bar" / "1.png") in found.value.where


def content(image: Image.Image, path: Path) -> bytes:
    image.save(path)
    return path.read_bytes()


def read(image: Image.Image, tmp_path: Path, size=(4, 4), **options) -> np.ndarray:
    return read_picture(content(image, tmp_path / "a.png"), "a.png", size, **options)


def test_a_picture_is_padded_cropped_or_stretched(tmp_path):
    wide = Image.new("L", (8, 4), 255)
    assert read(wide, tmp_path)[0].tolist() == [[0] * 4, [255] * 4, [255] * 4, [0] * 4]
    assert (read(wide, tmp_path, fit="stretch") == 255).all()
    half = Image.fromarray(np.repeat([[255, 255, 0, 0, 0, 0, 255, 255]], 4, axis=0).astype("u1"))
    assert not read(half, tmp_path, fit="crop").any()


def test_ink_on_paper_becomes_light_on_dark(tmp_path):
    ink = Image.fromarray(255 - shape("bar", 4, 4))
    assert read(ink, tmp_path, invert=True)[0].tolist() == shape("bar", 4, 4).tolist()
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert not read(clear, tmp_path, invert=True).any()
    assert not read(Image.new("RGBA", (4, 4), (255, 255, 255, 0)), tmp_path).any()


def test_colours_keep_their_channels_and_grey_weighs_them(tmp_path):
    red = Image.new("RGB", (4, 4), (200, 100, 0))
    colour = read(red, tmp_path, mode="colour")
    assert colour.shape == (3, 4, 4)
    assert colour[:, 0, 0].tolist() == [200, 100, 0]
    assert read(red, tmp_path)[0, 0, 0] == round(0.299 * 200 + 0.587 * 100)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("folder", r"\[dataset\] path is missing"),
        ({"path": "photos"}, r"\[dataset\] name is missing"),
        ({"name": "foldr"}, 'no dataset "foldr"'),
        ({"name": "folder", "path": "photos", "pth": "x"}, r"\[dataset\] pth unknown key"),
        ({"name": "folder", "path": "photos", "size": [0, 1]}, r"\[dataset\] size\[0\] is 0"),
        ({"name": "folder", "path": "photos", "test_share": 1.0}, r"\[dataset\] test_share is 1"),
    ],
)
def test_a_table_is_checked_as_a_recipe_is(tmp_path, given, words):
    with pytest.raises(OptionError, match=words):
        NamedDataset(given, "dataset", RecipeFiles(tmp_path))


def test_a_path_starts_at_the_folder_of_the_recipe(tmp_path):
    photos(tmp_path / "own" / "photos", 1)
    table = {"name": "folder", "path": "photos"}
    found = NamedDataset(table, "dataset", RecipeFiles(tmp_path / "own"))
    assert found.classes == ("bar", "ring")
    assert found.dataset.place == tmp_path / "own" / "photos"
