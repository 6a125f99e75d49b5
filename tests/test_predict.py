"""Predictions: votes of several rollouts, and pictures from files a few at a time."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from nca import (
    Batch,
    ClassColours,
    ClassShare,
    Display,
    Layout,
    Level,
    NCAError,
    NCAWarning,
    PictureError,
)
from nca.checkpoint.read import read_recipe
from nca.checkpoint.trained import Trained
from nca.evaluation import predict as predicting
from nca.evaluation import predict_large
from nca.evaluation.predict import (
    demand_any_size,
    picture_files,
    predict,
    reliability,
    seen_files,
    seen_samples,
)
from nca.evaluation.predict_large import LargePicture
from nca.tasks.prediction import Prediction
from nca.tasks.task import predict_by_votes

LAYOUT = Layout([Level("body", 3)])
DIGITS = "self_classifying_mnist_small"


def voting(shares, silent=None, labels=None):
    """Return a task whose votes are those of a state's first cell."""
    colours = ClassColours("body", torch.eye(3), torch.zeros(3), tuple("abc"), torch.zeros(3, 3))
    return SimpleNamespace(
        votes=lambda batch: [
            ClassShare(name, (0.0, 0.0, 0.0), batch.state["body"][:, k, 0, 0])
            for k, name in enumerate("abc")
        ],
        display=lambda: Display(
            LAYOUT.zeros(1, (1, 1)), ClassColours(**{**vars(colours), "silent": silent})
        ),
        true_classes=lambda batch: labels,
    )


def states(*rollouts):
    """Return a state for each rollout, of a sample for each row of shares."""
    return [
        LAYOUT.zeros(len(rows), (1, 1)).replace({"body": torch.tensor(rows).view(-1, 3, 1, 1)})
        for rows in rollouts
    ]


def test_the_class_is_that_of_the_mean_vote_and_its_spread_is_told():
    given = states([[0.6, 0.4, 0.0]], [[0.2, 0.8, 0.0]])
    (found,) = predict_by_votes(voting(given), given, Batch(given[0]))
    assert found.values["class"] == "b"
    assert found.values["confidence"] == pytest.approx(0.6)
    assert found.values["spread"] == pytest.approx(0.2)
    assert found.values["votes"] == pytest.approx({"a": 0.4, "b": 0.6, "c": 0.0})
    assert found.uncertainty == pytest.approx(0.4)
    assert found.error is None


def test_a_silent_class_is_never_chosen_and_counts_for_nothing():
    given = states([[0.8, 0.05, 0.15]])
    (found,) = predict_by_votes(voting(given, silent=0), given, Batch(given[0]))
    assert found.values["class"] == "c"
    assert found.values["confidence"] == pytest.approx(0.75)
    assert found.values["votes"]["a"] == pytest.approx(0.8)


def test_where_the_class_is_known_the_error_is():
    given = states([[1.0, 0.0, 0.0]] * 3)
    labels = torch.tensor([0, 2, -1])
    found = predict_by_votes(voting(given, labels=labels), given, Batch(given[0]))
    assert [one.error for one in found] == [0.0, 1.0, None]


def test_reliability_tells_whether_the_unsure_are_wrong():
    found = reliability([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert found["samples"] == 4
    assert found["correlation with the error"] > 0.9
    assert found["error of the surest 50%"] == 0
    assert found["error of the surest 100%"] == 0.5
    assert reliability([], []) == {}


@pytest.fixture(scope="module")
def digits():
    return Trained.load(DIGITS, torch.device("cpu"))


def drawn(folder, count):
    """Draw as many upright strokes, each elsewhere."""
    for number in range(count):
        pixels = np.zeros((28, 28), dtype=np.uint8)
        pixels[5:23, 10 + number : 13 + number] = 255
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return picture_files([folder])


def test_pictures_come_a_few_at_a_time_and_each_says_the_same_in_any_batch(digits, tmp_path):
    files = drawn(tmp_path, 5)
    found = {}
    for batch in (2, 5):
        seen = list(seen_files(digits, files, batch))
        assert [len(each.names) for each in seen] == ([2, 2, 1] if batch == 2 else [5])
        rows = [row for each in seen for row in predict(digits, each, steps=6, repeats=2)]
        assert [name for name, _ in rows] == [str(file) for file in files]
        found[batch] = [one.values["votes"] for _, one in rows]
    (seen,) = seen_files(digits, files, 5)  # each with fire masks of its own
    assert seen.batch.state.samples.tolist() == [-1, -2, -3, -4, -5]
    assert found[2] == [pytest.approx(votes) for votes in found[5]]
    assert found[2][0] != pytest.approx(found[2][1])


def test_files_are_read_when_they_are_asked_for(digits, tmp_path, monkeypatch):
    files, read = drawn(tmp_path, 5), []
    real = predicting.read_picture_file
    monkeypatch.setattr(predicting, "read_picture_file", lambda f: read.append(f) or real(f))
    next(seen_files(digits, files, 2))
    assert len(read) == 3  # one more than the batch, to see that it is full


def test_a_file_that_cannot_be_read_is_left_out_and_said(digits, tmp_path):
    files = drawn(tmp_path, 2)
    files[0].write_bytes(b"no picture")
    with pytest.warns(NCAWarning, match=r"left out: .*0\.png"):
        (seen,) = seen_files(digits, files, 4)
    assert seen.names == (str(files[1]),)


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(PictureError, match=r"there is no picture named 'a\.png'"):
        picture_files([tmp_path / "a.png"])


def test_large_pictures_are_not_taken_at_once(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "ROOM", 2 * 28 * 28)
    sizes = [len(seen.names) for seen in seen_files(digits, drawn(tmp_path, 5), 16)]
    assert sizes == [2, 2, 1]


def test_pictures_of_any_size_are_cut_where_the_picture_ends(tmp_path):
    trained = small_segmentation()
    for number, size in enumerate([(13, 21), (13, 21), (8, 8)]):
        Image.fromarray(np.full(size, 90, dtype=np.uint8)).save(tmp_path / f"{number}.png")
    seen = list(seen_files(trained, picture_files([tmp_path]), 4))
    assert [each.size for each in seen] == [(13, 21), (8, 8)]
    assert seen[0].batch.state["cells"].shape[2:] == (7, 11)
    rows = predict(trained, seen[0], steps=2, repeats=2)
    assert [one.pictures["mask"].shape for _, one in rows] == [(1, 13, 21)] * 2


def photograph(path, height=2000, width=3000):
    """Draw a picture, dark to the left of its middle and bright to the right."""
    values = np.full((height, width), 30, dtype=np.uint8)
    values[:, width // 2 :] = 220
    Image.fromarray(values).save(path)
    return path


def test_a_photograph_is_shrunk_to_a_side_and_that_is_said(tmp_path):
    trained = small_segmentation()
    large = photograph(tmp_path / "large.png")
    small = photograph(tmp_path / "small.png", 20, 30)
    with pytest.warns(NCAWarning, match="more than 48 pixels along a side are shrunk") as said:
        seen = list(seen_files(trained, [large, small], 4, 48))
    assert len(said) == 1
    assert [each.size for each in seen] == [(32, 48), (20, 30)]
    assert seen[0].batch.state["cells"].shape[2:] == (16, 24)
    image = trained.task.seen(seen[0].batch.state)
    assert image.shape[2:] == (32, 48)
    left, right = image[0, 0, :, :23], image[0, 0, :, 25:]
    assert left.max() < right.min()
    (row,) = predict(trained, seen[0], steps=2, repeats=2)
    assert row[1].pictures["mask"].shape == (1, 32, 48)


def test_a_side_that_is_not_exceeded_changes_nothing(tmp_path, recwarn):
    trained, file = small_segmentation(), photograph(tmp_path / "a.png", 20, 30)
    (plain,), (bounded,) = (list(seen_files(trained, [file], 4, side)) for side in (None, 30))
    assert torch.equal(plain.batch.state["image"], bounded.batch.state["image"])
    assert not recwarn.list


def test_a_side_shrinks_what_is_too_long_to_be_read_whole(tmp_path):
    trained, file = small_segmentation(), photograph(tmp_path / "a.png", 4, 9000)
    with pytest.warns(NCAWarning, match="8192 along a side are read: --side 1024 shrinks it"):
        assert list(seen_files(trained, [file], 4)) == []
    with pytest.warns(NCAWarning, match="shrunk"):
        (seen,) = seen_files(trained, [file], 4, 90)
    assert seen.size == (1, 90)


def test_a_picture_that_exceeds_the_memory_is_predicted_as_a_whole_one(tmp_path, monkeypatch):
    trained, file = small_segmentation(), tmp_path / "a.png"
    values = np.random.default_rng(1).integers(0, 256, (75, 121), dtype=np.uint8)
    Image.fromarray(values).save(file)
    channels = sum(level.channels for level in trained.recipe.layout.values())
    least = predicting.LEAST * 4 * channels * values.size / trained.task.patch**2
    how = {"steps": 11, "repeats": 2}

    def said() -> Prediction:
        (seen,) = seen_files(trained, [file], 4)
        assert isinstance(seen, LargePicture) == (limit < least)
        ((name, found),) = predict(trained, seen, **how)
        assert name == str(file)
        return found

    monkeypatch.setattr(predict_large, "TILE", 23)
    limit = least
    monkeypatch.setattr(predicting, "capacity", lambda device: limit)
    whole = said()
    limit = least - 1
    with pytest.warns(NCAWarning, match=r"75 x 121 pixels take .* on disk, and step tile by tile"):
        tiled = said()
    assert whole.pictures.keys() == tiled.pictures.keys()
    for picture, other in zip(whole.pictures.values(), tiled.pictures.values(), strict=True):
        assert picture.shape[1:] == other.shape[1:] == values.shape
        assert (picture.int() - other.int()).abs().max() <= 1
        assert (picture != other).float().mean() < 0.01
    assert tiled.values["confidence"] == pytest.approx(whole.values["confidence"], abs=1e-4)
    assert tiled.values["share"] == pytest.approx(whole.values["share"], abs=1e-3)
    assert tiled.uncertainty == pytest.approx(whole.uncertainty, abs=1e-4)
    assert whole.uncertainty > 1e-4


def test_where_the_disk_has_no_room_either_it_is_left_out(tmp_path, monkeypatch):
    trained, file = small_segmentation(), photograph(tmp_path / "a.png", 40, 60)
    monkeypatch.setattr(predicting, "capacity", lambda device: 1)
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=1))
    with pytest.warns(NCAWarning, match="on disk"):
        (seen,) = seen_files(trained, [file], 4)
    with pytest.warns(NCAWarning, match="fit neither memory nor disk"):
        assert predict(trained, seen, steps=1, repeats=2) == []


def test_where_pictures_are_fitted_to_the_grid_no_side_is_taken(digits):
    demand_any_size(small_segmentation())
    with pytest.raises(NCAError, match="shrunk to the grid here"):
        demand_any_size(digits)


def test_test_data_come_with_their_truth():
    trained = small_segmentation()
    trained.prepare(None)
    seen = list(seen_samples(trained, 5, 2))
    assert [len(each.names) for each in seen] == [2, 2, 1]
    (row, *_) = predict(trained, seen[0], steps=2, repeats=3)
    assert row[0] == "test-1"
    assert 0 <= row[1].error <= 1
    assert 0 < row[1].values["spread"] < 0.5


def small_segmentation() -> Trained:
    """Return an automaton with random weights under the recipe."""
    torch.manual_seed(0)
    recipe = read_recipe("segmentation", ["grid.size=[8,8]"])
    automaton, task = recipe.automaton().eval(), recipe.task().eval()
    with torch.no_grad():
        for weight in automaton.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return Trained("here", None, recipe, automaton, task, torch.device("cpu"))
