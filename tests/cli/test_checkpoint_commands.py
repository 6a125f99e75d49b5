"""What can be asked of a checkpoint, and what is said of a bad one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import RECIPE, changed

from nca.checkpoint.file import Checkpoint


def test_inspect_shows_levels_rules_and_metrics(nca, done):
    result = nca("inspect", "done", "--plugin", "blobs.py")
    assert (result.code, result.err) == (0, "")
    rows = [line.split() for line in result.out.splitlines()]
    assert ["name", "tiny"] in rows
    assert ["file", "done/best.safetensors"] in rows
    assert ["body", "4", "growing", "72"] in rows
    assert result.out.splitlines()[-1] == "the recipe: nca inspect done --recipe"


def test_inspect_gives_all_as_json(nca, done):
    told = json.loads(nca("inspect", "done", "--plugin", "blobs.py", "--json").out)
    assert told["recipe"] == RECIPE
    assert told["parameters"] == 82
    assert [level["level"] for level in told["levels"]] == ["image", "body"]


def test_inspect_shows_how_levels_differ_in_scale(nca):
    levels = [line.split() for line in nca("inspect", "smallest_mnist_98").out.splitlines()]
    (head,) = [words for words in levels if words[:1] == ["level"]]
    assert head == ["level", "channels", "scale", "coarsen", "refine", "rules", "parameters"]
    assert ["peak", "10", "16", "max", "nearest"] in [words[:5] for words in levels]


def test_inspect_prints_the_recipe_also_without_its_plugins(nca, done):
    assert nca("inspect", "done", "--recipe").out == RECIPE
    assert nca("inspect", "done").code == 1


def test_evaluate_measures_at_the_steps_that_are_asked_for(nca, done):
    given = ["--plugin", "blobs.py", "--steps", "4", "--steps", "2", "--samples", "10"]
    rows = json.loads(nca("evaluate", "done", *given, "--json").out)
    assert [(row["steps"], row["samples"]) for row in rows] == [(2, 10), (4, 10)]
    result = nca("evaluate", "done", *given)
    assert [line.split()[0] for line in result.out.splitlines()] == ["steps", "2", "4"]
    assert "done/best.safetensors: test data on CPU" in result.err


def test_evaluate_gives_what_the_run_has_measured(nca, done):
    rows = json.loads(nca("evaluate", "done", "--plugin", "blobs.py", "--json").out)
    assert rows == json.loads((done / "evaluation.json").read_text())["test"]


def test_evaluate_untrained_measures_first_weights_instead(nca, done):
    given = ["evaluate", "done", "--plugin", "blobs.py"]
    assert "done/best.safetensors, untrained: test data on CPU" in nca(*given, "--untrained").err
    trained, first = (nca(*given, *more, "--json").out for more in ([], ["--untrained"]))
    assert json.loads(first)[0].keys() == json.loads(trained)[0].keys()


def test_evaluate_says_how_far_behind_an_exchanged_input_lies(nca, done):
    given = [
        "--plugin",
        "blobs.py",
        "--steps",
        "2",
        "--steps",
        "5",
        "--set",
        "evaluate.disturb=swap",
    ]
    result = nca("evaluate", "done", *given)
    rows = [line.split()[:2] for line in result.out.splitlines()[3:]]
    assert rows == [["7", "swap"], ["10", "swap"]]
    said = "swap at step 5: the last rows are 2, 5 steps after it"
    assert result.err.splitlines()[-1] == said
    assert said not in nca("evaluate", "done", *given[:4]).err


@pytest.mark.parametrize("show", ["picture", "levels"])
def test_render_draws_a_strip_and_an_animation(nca, done, show):
    given = ["--plugin", "blobs.py", "--show", show, "--steps", "4", "--samples", "2"]
    assert nca("render", "done", *given, "--out", "a.png").out == "a.png\n"
    assert nca("render", "done", *given, "--out", "a.gif", "--every", "2").out == "a.gif\n"
    with Image.open("a.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 16
    with Image.open("a.gif") as film:
        assert film.format == "GIF"
        assert getattr(film, "n_frames", 1) > 1


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("a.nonsense", "NCAError: the picture cannot be written: '.nonsense' names no format"),
        (".", "StorageError: nothing is written to .: it is a folder."),
        ("nowhere/a.png", "StorageError: nothing is written to a.png: there is no folder nowhere."),
    ],
)
def test_render_refuses_a_place_where_nothing_can_be_drawn(nca, done, out, words):
    result = nca("render", "done", "--plugin", "blobs.py", "--out", out, "--steps", "2")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(words)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pickled(path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def reshaped(path: Path) -> None:
    held = Checkpoint.read(path)
    recipe = held.recipe.replace("hidden = 4", "hidden = 5")
    Checkpoint(**{**vars(held), "recipe": recipe}).write(path)


def misspelt(path: Path) -> None:
    held = Checkpoint.read(path)
    recipe = held.recipe.replace("fire_rate", "burn_rate")
    Checkpoint(**{**vars(held), "recipe": recipe}).write(path)


@pytest.mark.parametrize("damage", [cut, empty, pickled, folder, reshaped, misspelt])
@pytest.mark.parametrize("command", ["evaluate", "render", "run --resume"])
def test_a_bad_checkpoint_is_told_in_words(nca, done, damage, command):
    damage(done / "best.safetensors")
    shutil.rmtree(done / "last.safetensors", ignore_errors=True)
    if damage is folder:
        (done / "last.safetensors").unlink()
        (done / "last.safetensors").mkdir()
    else:
        shutil.copy(done / "best.safetensors", done / "last.safetensors")
    result = nca(*command.split(), "done", "--plugin", "blobs.py")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("RecipeError: " if damage is misspelt else "CheckpointError: ")


def test_nothing_under_that_name_is_told(nca, here):
    result = nca("evaluate", "nowhere")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("CheckpointError: there is no checkpoint 'nowhere'.")


def test_an_import_never_replaces_its_source(nca, here):
    source = here / "growing.safetensors"
    source.write_bytes(b"published")
    refused = nca("import", "growing", source, "--out", "growing.safetensors")
    assert refused.code == 1
    assert "growing.safetensors: it is what is read, and would be replaced." in refused.err
    assert source.read_bytes() == b"published"


def test_what_is_asked_for_and_what_was_taken_are_shown(nca, here):
    (here / "tiny.toml").write_text(changed("save_every = 2", 'precision = "bfloat16"'))
    assert nca("run", "tiny.toml", "--plugin", "blobs.py", "--out", "run").code == 0
    shown = nca("inspect", "run", "--plugin", "blobs.py").out
    assert "bfloat16 in training, bfloat16 in the recipe" in shown
    planned = nca("plan", "tiny.toml", "--plugin", "blobs.py", "--set", "train.precision=auto")
    assert "precision: float32, for there is little to multiply" in planned.err


IDLE = {
    "batch": (["evaluate", "done", "--set", "train.batch=2"], "train.batch"),
    "pool": (["render", "done", "--set", "pool.size=9"], "pool.size"),
    "table": (["examine", "done", "--set", "evaluate.samples=2"], "evaluate.samples"),
    "moments": (["islands", "done", "--set", "rollout.steps=2"], "rollout.steps"),
    "export": (["export", "done", "--to", "onnx", "--set", "pool.swapped=1"], "pool.swapped"),
    "stream": (
        ["stream", "done", "--size", "8x8", "--steps", "1", "--set", "train.average=0.5"],
        "train.average",
    ),
    "play": (["play", "done", "--no-open", "--set", "evaluate.batch=2"], "evaluate.batch"),
    "recipe": (["play", "tiny.toml", "--no-open", "--set", "train.batch=2"], "train.batch"),
    "option": (
        ["evaluate", "done", "--steps", "2", "--set", "evaluate.steps=[4]"],
        "evaluate.steps (given by --steps)",
    ),
    "resume": (["run", "--resume", "done", "--set", 'plugins=["x.py"]'], "plugins"),
    "plugins": (["evaluate", "done", "--set", 'plugins=["x.py"]'], "plugins"),
}


@pytest.mark.parametrize(("words", "key"), IDLE.values(), ids=IDLE)
def test_an_override_without_effect_on_a_command_is_refused_by_its_key(nca, done, words, key):
    result = nca(*words, "--plugin", "blobs.py")
    assert result.code == 1
    assert "an override would have no effect" in " ".join(result.err.split())
    assert f" {key}." in " ".join(result.err.split())
    assert sorted(path.name for path in Path().iterdir()) == ["blobs.py", "done", "tiny.toml"]


def test_an_override_that_a_command_reads_takes_effect(nca, done):
    given = ["evaluate", "done", "--plugin", "blobs.py", "--json"]
    (row,) = json.loads(nca(*given, "--set", "evaluate.steps=[4]").out)
    assert row["steps"] == 4
    assert nca(*given, "--set", "train.precision=bfloat16").code == 0
    assert nca(*given, "--set", "train.batch=4").code == 0, "it is 4 already"
