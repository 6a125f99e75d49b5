"""`nca predict`: a table and pictures in a folder of their own, and never over anything."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

SMALL = ["--set", "grid.size=[8,8]", "--set", "train.iterations=2", "--set", "train.warmup=0"]
SMALL += ["--set", "task.trials=4", "--set", "rollout.steps=[2,3]", "--set", "evaluate.steps=[3]"]
SMALL += ["--set", "pool.size=8", "--set", "train.validate_samples=4"]
DIGITS = "self_classifying_mnist_small"


@pytest.fixture
def pictures(here):
    """Two pictures of one name in two folders, and a third."""
    for place, size in (("a/x.png", (13, 21)), ("b/x.png", (16, 16)), ("b/y.png", (16, 16))):
        (here / place).parent.mkdir(exist_ok=True)
        values = np.arange(size[0] * size[1]).reshape(size) % 251
        Image.fromarray(values.astype(np.uint8)).save(here / place)
    return here


@pytest.fixture
def run(nca, here):
    result = nca("run", "segmentation", "--out", "done", "--device", "cpu", *SMALL)
    assert result.code == 0, result.err
    return "done"


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_masks_lie_beside_the_table_and_every_picture_has_its_row(nca, run, pictures):
    before = {path: path.read_bytes() for path in pictures.rglob("[ab]/*.png")}
    result = nca("predict", run, "a", "b", "--out", "found", "--repeats", "2")
    assert result.code == 0, result.err
    assert result.out.endswith("found/predictions.csv\n")
    rows = table(pictures / "found" / "predictions.csv")
    assert [row["file"] for row in rows] == ["a/x.png", "b/x.png", "b/y.png"]
    assert [row["mask file"] for row in rows] == ["x.mask.png", "x.mask-2.png", "y.mask.png"]
    sizes = []
    for row in rows:
        assert float(row["share: background"]) + float(row["share: blob"]) == pytest.approx(1)
        with Image.open(pictures / "found" / row["mask file"]) as mask:
            sizes.append(mask.size)
            assert set(np.unique(np.asarray(mask))) <= {0, 255}
    assert sizes == [(21, 13), (16, 16), (16, 16)]
    assert len(list((pictures / "found").iterdir())) == 1 + 3 * 3
    assert before == {path: path.read_bytes() for path in before}


def test_json_has_a_line_for_each_picture_and_needs_none_beside_it(nca, run, pictures):
    result = nca("predict", run, "b", "--table", "json", "--no-pictures", "--out", "found")
    assert result.code == 0, result.err
    (file,) = (pictures / "found").iterdir()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["file"] for row in rows] == ["b/x.png", "b/y.png"]
    assert set(rows[0]["share"]) == {"background", "blob"}


def test_without_pictures_test_data_say_whether_it_knows_when_it_is_wrong(nca, run, here):
    result = nca("predict", run, "--samples", "3", "--json", "--no-pictures")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert [row["file"] for row in told["predictions"]] == ["test-1", "test-2", "test-3"]
    assert {"Dice", "pixels wrong", "spread with error"} <= set(told["predictions"][0])
    assert told["reliability"]["samples"] == 3
    assert told["table"] == "segmentation-predicted/predictions.csv"


def test_a_classifier_tells_class_votes_and_confidence(nca, here):
    pixels = np.zeros((28, 28), dtype=np.uint8)
    pixels[4:24, 13:16] = 255
    Image.fromarray(pixels).save(here / "one.png")
    result = nca("predict", DIGITS, "one.png", "--out", "found", "--steps", "50")
    assert result.code == 0, result.err
    (row,) = table(here / "found" / "predictions.csv")
    assert row["class"] == "1"
    assert float(row["confidence"]) == pytest.approx(float(row["votes: 1"]), abs=1e-4)
    assert sum(float(row[f"votes: {k}"]) for k in range(10)) == pytest.approx(1, abs=1e-4)


def test_a_folder_that_is_not_empty_stays(nca, run, pictures):
    result = nca("predict", run, "a", "--out", "b")
    assert result.code == 1
    assert "is not an empty folder, and stays" in result.err
    assert sorted(path.name for path in (pictures / "b").iterdir()) == ["x.png", "y.png"]


def test_a_second_time_takes_another_folder(nca, run, pictures):
    for name in ("segmentation-predicted", "segmentation-predicted-2"):
        result = nca("predict", run, "a", "--no-pictures")
        assert result.out.endswith(f"{name}/predictions.csv\n")


def test_where_nothing_can_be_read_nothing_is_left(nca, run, here):
    (here / "bad.png").write_bytes(b"no picture")
    before = sorted(here.iterdir())
    result = nca("predict", run, "bad.png")
    assert result.code == 1
    assert "left out: bad.png" in result.err
    assert "none of the pictures could be read" in result.err
    assert sorted(here.iterdir()) == before


def test_a_task_without_pictures_is_refused(nca, here):
    result = nca("predict", "growing", "--samples", "1")
    assert result.code == 1
    assert "the task takes none as input" in result.err


def test_samples_are_of_the_test_data(nca, run, pictures):
    assert nca("predict", run, "a", "--samples", "1").code == 2


def test_large_pictures_are_shrunk_where_a_side_is_given(nca, run, pictures):
    result = nca("predict", run, "a", "b", "--side", "10", "--out", "found", "--repeats", "1")
    assert result.code == 0, result.err
    assert result.err.count("more than 10 pixels along a side are shrunk") == 1
    with Image.open(pictures / "found" / "x.mask.png") as mask:
        assert mask.size == (10, 6)
    assert nca("predict", run, "--side", "10").code == 2
    refused = nca("predict", DIGITS, "a", "--side", "10")
    assert (refused.code, "leave the side out" in refused.err) == (1, True)
