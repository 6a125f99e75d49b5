"""Arrays in files of numpy as data sets."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from nca.data import NamedDataset
from nca.errors import DataError
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.registry import registry
from nca.validation.faults import OptionError

GREY = (np.arange(20 * 6 * 5) % 256).astype(np.uint8).reshape(20, 6, 5)
LABELS = np.arange(20) % 2


def arrays(**options):
    return registry.get("dataset", "arrays")(**options)


def saved(path: Path, **given) -> str:
    np.savez(path, **given)
    return str(path)


def both(dataset) -> tuple[torch.Tensor, torch.Tensor]:
    return dataset.load("train"), dataset.load("test")


def test_images_and_labels_of_one_file(tmp_path):
    own = arrays(path=saved(tmp_path / "a.npz", images=GREY, labels=LABELS))
    train, test = both(own)
    assert (own.classes, own.channels) == (("0", "1"), 1)
    assert (train.images.shape, test.images.shape) == ((16, 1, 6, 5), (4, 1, 6, 5))
    assert test.labels.bincount().tolist() == [2, 2]
    every = torch.cat([train.images, test.images])[:, 0].flatten(1).tolist()
    assert sorted(every) == sorted(GREY.reshape(20, -1).tolist())


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (("train_images", "train_labels", "test_images", "test_labels"), 15),
        (("x_train", "y_train", "x_test", "y_test"), 15),
    ],
)
def test_a_file_may_say_which_are_for_the_test(tmp_path, names, count):
    given = (GREY[:15], LABELS[:15], GREY[15:], LABELS[15:, None])
    own = arrays(path=saved(tmp_path / "a.npz", **dict(zip(names, given, strict=True))))
    train, test = both(own)
    assert (len(train.labels), len(test.labels)) == (count, 5)
    assert torch.equal(test.images[:, 0], torch.from_numpy(GREY[15:]))


def test_two_files_and_names_of_classes(tmp_path):
    np.save(tmp_path / "i.npy", GREY)
    np.save(tmp_path / "l.npy", LABELS)
    files = {"images": str(tmp_path / "i.npy"), "labels": str(tmp_path / "l.npy")}
    assert arrays(**files, classes=("even", "odd")).classes == ("even", "odd")
    assert arrays(**files, classes=("even", "odd", "none")).load("train").labels.max() == 1


def test_words_are_classes(tmp_path):
    words = np.array(["dog", "cat"] * 10)
    own = arrays(path=saved(tmp_path / "a.npz", images=GREY, labels=words), test_share=0.0)
    assert own.classes == ("cat", "dog")
    assert own.load("train").labels.tolist() == [1, 0] * 10
    named = saved(tmp_path / "b.npz", images=GREY, labels=LABELS, classes=np.array(["a", "b"]))
    assert arrays(path=named).classes == ("a", "b")


@pytest.mark.parametrize(
    ("images", "layout", "pixel"),
    [
        (np.full((4, 6, 5, 3), (1, 2, 3), np.uint8), "auto", [1, 2, 3]),
        (np.full((4, 3, 6, 5), 7, np.uint8), "auto", [7, 7, 7]),
        (np.full((4, 3, 6, 3), (1, 2, 3), np.uint8), "NHWC", [1, 2, 3]),
        (np.full((4, 6, 5), 0.5), "auto", [128]),
        (np.full((4, 6, 5), True), "auto", [255]),
        (np.full((4, 6, 5), 200, np.int64), "auto", [200]),
        (np.full((4, 6, 5), 1.0, np.float16), "auto", [255]),
    ],
)
def test_channels_are_found_and_numbers_made_bytes(tmp_path, images, layout, pixel):
    path = saved(tmp_path / "a.npz", images=images, labels=np.arange(4) % 2)
    own = arrays(path=path, layout=layout)
    loaded = own.load("train").images
    assert own.channels == len(pixel)
    assert loaded[0, :, 2, 1].tolist() == pixel


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"images": GREY}, "no images with labels, but images"),
        ({"images": GREY, "labels": LABELS[:9]}, "20 images and 9 labels"),
        ({"images": GREY, "labels": LABELS - 1}, "labels from -1 to 0"),
        ({"images": GREY, "labels": LABELS * 0.5}, "labels of type float64"),
        ({"images": GREY, "labels": np.zeros((20, 2), int)}, r"labels of shape \(20, 2\)"),
        ({"images": GREY * 1.0, "labels": LABELS}, "float64 from 0.0 to 255.0"),
        ({"images": GREY / np.nan, "labels": LABELS}, "float64 from nan"),
        ({"images": GREY[0], "labels": LABELS}, r"images of shape \(6, 5\)"),
        ({"images": GREY[..., None, None], "labels": LABELS}, "images of shape"),
        ({"images": np.zeros((20, 3, 6, 3)), "labels": LABELS}, "at either end"),
        ({"images": np.zeros((20, 4, 6, 5)), "labels": LABELS}, "at neither end"),
        ({"images": GREY, "labels": LABELS, "classes": np.array(["a"])}, "from 0 to 1"),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path, given, words):
    own = arrays(path=saved(tmp_path / "a.npz", **given))
    with pytest.raises(DataError, match=words):
        own.load("train")


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.array([Trap()] * 20, dtype=object)
    np.savez("a.npz", images=GREY, labels=objects)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "sprung").unlink(missing_ok=True)
    for name, words in {"a.npz": "never unpickled", "b.npz": "cannot be read as arrays"}.items():
        with pytest.raises(DataError, match=words):
            arrays(path=name).load("train")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_or_damaged_file_is_said(tmp_path):
    path = saved(tmp_path / "a.npz", images=GREY, labels=LABELS)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:-40])
    with pytest.raises(DataError, match=r"'a\.npz' cannot be read as arrays"):
        arrays(path=path).load("train")
    with pytest.raises(DataError, match=r"there is no file 'b\.npz'"):
        _ = arrays(path=str(tmp_path / "b.npz")).classes


@pytest.mark.parametrize("given", [{}, {"images": "a"}, {"path": "a", "labels": "b"}])
def test_files_are_one_or_two(tmp_path, given):
    with pytest.raises(OptionError, match=r"\[dataset\] path"):
        NamedDataset({"name": "arrays", **given}, "dataset", RecipeFiles(tmp_path))


def test_other_bytes_have_another_fingerprint(tmp_path):
    one = arrays(path=saved(tmp_path / "a.npz", images=GREY, labels=LABELS))
    two = arrays(path=saved(tmp_path / "b.npz", images=GREY, labels=1 - LABELS))
    assert one.fingerprint() != two.fingerprint()
    assert len(one.fingerprint()) == 64
