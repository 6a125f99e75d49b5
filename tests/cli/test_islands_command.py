"""`nca islands`: what it prints, what it writes, and what it says when it cannot."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.trained import Trained
from nca.engine.rollouts import has_diverged
from nca.registry.discovery import load_file


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


@pytest.fixture
def diverging(done) -> int:
    """The first step at which a sample of a run, its weights grown, is not finite."""
    path = done / "best.safetensors"
    held = Checkpoint.read(path)
    grown = {name: 1e4 * t if "automaton" in name else t for name, t in held.tensors.items()}
    replace(held, tensors=grown).write(path)
    load_file(Path("blobs.py"))
    trained = Trained.load("done", torch.device("cpu"))
    trained.prepare(None)
    state = trained.task.first_evaluation_batch("test", 6).state
    for step in range(1, 13):
        state = trained.automaton.step(state)
        if has_diverged(state, ["body"]).any():
            return step
    raise AssertionError("it does not diverge")


def test_islands_and_films_of_what_diverges_say_at_which_step(nca, diverging):
    assert diverging > 2, "not in the middle"
    given = ["done", "--plugin", "blobs.py", "--samples", "6"]
    said = " ".join(nca("islands", *given, "--device", "cpu").err.split())
    assert f"by step 12, the first from step {diverging} on" in said
    said = " ".join(nca("render", *given, "--steps", "12", "--every", "1").err.split())
    assert f"not finite at step {diverging}, while all are at step {diverging - 1};" in said


def test_a_sheet_of_a_film_says_of_frames_that_it_leaves_out_that_they_diverge(nca, diverging):
    Path("film").mkdir()
    for number in range(20):
        Image.new("L", (8, 8), 200).save(f"film/{number:02}.png")
    given = ["--plugin", "blobs.py", "--frames", "film", "--steps-per-frame", "1"]
    result = nca("render", "done", *given, "--samples", "6", "--out", "sheet.png")
    said = " ".join(result.err.split())
    assert "of 20 frames one in 3 is on the sheet" in said
    first = int(said.partition("are not finite at step ")[2].partition(",")[0])
    assert f"while all are at step {first - 1};" in said
