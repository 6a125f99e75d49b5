"""`nca islands`: what it prints, what it writes, and what it says when it cannot."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from nca.checkpoint.trained import Trained


def test_islands_writes_a_report_and_says_where(nca, done, here):
    given = ["--plugin", "blobs.py", "--samples", "6", "--device", "cpu"]
    result = nca("islands", "done", *given)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[-1] == "islands-tiny/report.html"
    assert "hierarchy" in lines[-3]
    (body,) = [line.split() for line in lines if line.startswith("body")]
    assert len(body) == 8
    assert "done/best.safetensors: test data on CPU" in result.err
    assert (here / "islands-tiny" / "report.html").is_file()
    assert json.loads((here / "islands-tiny" / "islands.json").read_text())["samples"] == 6
    assert len(list((here / "islands-tiny").glob("*.png"))) == 8


def test_islands_prints_what_it_writes_as_json(nca, done, here):
    given = ["--plugin", "blobs.py", "--samples", "3", "--steps", "2", "--split", "held_out"]
    told = nca("islands", "done", *given, "--threshold", "0.5", "--out", "deep/er", "--json").out
    assert json.loads(told) == json.loads((here / "deep" / "er" / "islands.json").read_text())
    kept = json.loads(told)
    assert (kept["steps"], kept["split"], kept["parameters"]["threshold"]) == (2, "held_out", 0.5)
    assert kept["moments"] == [1, 2, 4, 8]
    assert list(kept["arms"]) == ["trained", "untrained", "shuffled"]


def test_islands_of_pictures_of_one_s_own(nca, done, here):
    for name, tone in (("dark.png", 10), ("light.jpg", 250)):
        Image.new("L", (30, 20), tone).save(here / name)
    given = ["--plugin", "blobs.py", "--image", "dark.png", "--image", "light.jpg", "--json"]
    result = nca("islands", "done", *given)
    assert result.code == 0, result.err
    assert "2 pictures" in result.err
    told = json.loads(result.out)
    assert (told["samples"], told["split"]) == (2, None)
    page = (here / "islands-tiny" / "report.html").read_text()
    assert "2 own samples at step" in page
    assert not [name for name in told["arms"]["trained"] if name in ("truth", "probe")]


def test_islands_of_what_is_no_picture_says_so_and_writes_nothing(nca, done, here):
    result = nca("islands", "done", "--plugin", "blobs.py", "--image", "blobs.py")
    assert result.code == 1
    assert "the picture cannot be read." in result.err
    assert "blobs.py: it is none of the formats that are read" in result.err
    assert not list(here.glob("islands-*"))


def test_islands_of_a_missing_checkpoint_names_those_there_are(nca, here):
    result = nca("islands", "nowhere.safetensors")
    assert (result.code, result.out) == (1, "")
    assert "where:" in result.err
    assert "to do:" in result.err
    assert not list(here.glob("islands-*"))


@pytest.mark.parametrize("size", [(8,), (2, 8, 8)])
def test_islands_needs_two_axes(nca, monkeypatch, size):
    grid = SimpleNamespace(size=size)
    recipe = SimpleNamespace(tables=SimpleNamespace(grid=grid), name="flat")
    flat = SimpleNamespace(recipe=recipe, path=Path("flat.safetensors"))
    monkeypatch.setattr(Trained, "load", lambda *_: flat)
    result = nca("islands", "flat.safetensors")
    assert result.code == 1
    assert f"the report needs a grid of two axes, but this one has {len(size)}." in result.err
    assert "to do:  measure it in Python: nca.analysis" in result.err


def test_islands_refuses_a_file_where_its_folder_should_be(nca, done, here):
    (here / "taken").write_text("")
    given = ["--plugin", "blobs.py", "--samples", "2", "--out", "taken"]
    result = nca("islands", "done", *given)
    assert result.code == 1
    assert "nothing is written to taken: it is a file." in result.err
    assert "name another one: --out FOLDER" in result.err
