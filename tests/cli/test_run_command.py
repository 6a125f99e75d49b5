"""A run from end to end, what becomes of its folder, and how it is interrupted."""

import json
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from processes import Commands
from tiny import PLUGIN, RECIPE, changed, line_of

from nca.checkpoint.file import Checkpoint

FILES = [
    ".nca.lock",
    "best.safetensors",
    "curve.png",
    "evaluation.json",
    "files",
    "last.safetensors",
    "levels.png",
    "metrics.jsonl",
    "recipe.toml",
    "states.png",
    *(["tensorboard"] if find_spec("tensorboard") else []),
]
"""What a finished run leaves in its folder, sorted."""
EVIL = "from pathlib import Path\nPath('executed').touch()\n" + PLUGIN


def test_a_run_leaves_a_whole_folder_its_path_and_the_next_command(nca, here):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu")
    assert result.code == 0
    assert result.out.splitlines()[-1] == "runs/tiny-1/best.safetensors"
    assert result.err.splitlines()[-1] == "next: nca render runs/tiny-1 --trust"
    folder = Path("runs/tiny-1")
    assert sorted(file.name for file in folder.iterdir()) == FILES
    assert (folder / "recipe.toml").read_text() == RECIPE
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(row["kind"], row["iteration"]) for row in rows if row["kind"] == "held_out"] == [
        ("held_out", 2),
        ("held_out", 4),
    ]
    measured = json.loads((folder / "evaluation.json").read_text())
    assert measured["test"][0]["samples"] == 24
    assert Checkpoint.read(folder / "last.safetensors").iteration == 4
    for name in ("states.png", "levels.png", "curve.png"):
        with Image.open(folder / name) as picture:
            picture.verify()


def test_a_second_run_takes_the_next_folder_and_refuses_a_taken_one(nca, here, done):
    before = (done / "last.safetensors").read_bytes()
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--out", "done")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "NCAError: the folder already holds a run.\n  where:  done\n"
        "  to do:  continue it with nca run --resume done, or choose another folder\n"
    )
    assert (done / "last.safetensors").read_bytes() == before


def test_a_finished_run_that_is_resumed_is_judged_again_and_stays_as_it_was(nca, done):
    before = Checkpoint.read(done / "last.safetensors")
    (done / "states.png").unlink()
    result = nca("run", "--resume", "done", "--plugin", "blobs.py", "--device", "cpu")
    assert result.code == 0
    after = Checkpoint.read(done / "last.safetensors")
    assert after.iteration == before.iteration
    assert all(after.tensors[name].equal(tensor) for name, tensor in before.tensors.items())
    assert (done / "states.png").is_file()


def test_what_is_overridden_travels_in_the_run(nca, here):
    given = ["--set", "train.iterations=2", "--set", "random_seed=9"]
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--out", "run", *given)
    assert result.code == 0
    held = Checkpoint.read(Path("run/best.safetensors"))
    assert held.overrides == ("train.iterations=2", "random_seed=9")
    assert held.recipe == Path("run/recipe.toml").read_text()
    assert "random_seed = 9" in held.recipe


@pytest.mark.parametrize("table", ["[task]", "[train]"])
def test_a_recipe_that_cannot_be_trained_is_told_before_anything_is_made(nca, here, table):
    (here / "tiny.toml").write_text(RECIPE.partition("[task]")[0])
    if table == "[train]":
        (here / "tiny.toml").write_text(RECIPE.partition("[pool]")[0])
    result = nca("run", "tiny.toml", "--plugin", "blobs.py")
    assert result.code == 1
    assert result.err.startswith("RecipeError: 1 fault in ")
    assert "is missing  add a table [train] with batch, iterations, learning_rate" in result.err
    assert not Path("runs").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told(nca, here):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--device", "cuda")
    assert result.code == 1
    assert result.err.startswith(f"DeviceError: torch {torch.__version__} finds no GPU for 'cuda'.")


@pytest.mark.parametrize("device", ["cup", "", "cuda:-1", "cuda:99999999999999999999", "meta"])
def test_a_device_that_is_none_is_told(nca, here, device):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--device", device)
    assert result.code == 1
    assert result.err.startswith("DeviceError: ")


def test_images_that_do_not_fit_the_grid_or_are_too_few_are_faults_with_their_lines(nca, here):
    given = ["--plugin", "blobs.py", "--set", "grid.size=[4, 4]"]
    (here / "tiny.toml").write_text(changed("held_out = 8", "held_out = 30"))
    result = nca("run", "tiny.toml", *given)
    assert (result.code, list(here.glob("runs/*"))) == (1, [])
    first, *rows = [" ".join(line.split()) for line in result.err.splitlines()]
    assert first == "RecipeError: 2 faults in tiny.toml"
    assert rows == [
        "--set [grid] size is [4, 4] images of 8x8 pixels with patch = 1 take at least [8, 8] "
        "cells",
        f"line {line_of('held_out')} [task] held_out is 30, and leaves none of 24 images to train "
        "on hold out fewer than 24",
    ]


def test_a_folder_that_cannot_be_made_is_told(nca, here):
    (here / "file").touch()
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--out", "file/run")
    assert result.code == 1
    assert result.err.startswith("StorageError: the run's folder cannot be made: Not a directory.")


class TestPluginOfTheRecipe:
    def test_is_executed_by_run_and_kept_beside_the_checkpoint(self, nca, here):
        (here / "mine.py").write_text(EVIL)
        (here / "tiny.toml").write_text(f'plugins = ["mine.py"]\n{RECIPE}')
        result = nca("run", "tiny.toml", "--out", "run")
        assert result.code == 0
        assert Path("executed").exists()
        assert Path("run/files/mine.py").read_text() == EVIL
        assert result.err.splitlines()[-1] == "next: nca render run --trust"

    @pytest.mark.parametrize("verb", ["evaluate", "inspect", "render"])
    def test_is_never_executed_for_a_checkpoint(self, nca, done, verb):
        (done / "evil.py").write_text(EVIL)
        Path("evil.py").write_text(EVIL)
        held = Checkpoint.read(done / "best.safetensors")
        evil = Checkpoint(**{**vars(held), "recipe": f'plugins = ["evil.py"]\n{held.recipe}'})
        evil.write(done / "best.safetensors")
        (done / "recipe.toml").write_text(evil.recipe)
        assert nca(verb, "done").code == 1
        assert nca(verb, "done/best.safetensors", "--plugin", "blobs.py").code == 0
        assert not Path("executed").exists()


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_to_stop_saves_says_how_to_go_on_and_has_its_exit_code(here, name, code):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"this system knows no {name}")
    given = ("--out", "run", "--set", "train.iterations=100000", "--plugin", "blobs.py")
    process = Commands.alone(here, "run", "tiny.toml", *given, "--device", "cpu")
    log = here / "run" / "metrics.jsonl"
    process.wait_until(lambda: log.is_file() and log.read_text().count("\n") > 20)
    process.send(number)
    codes, out, err = process.end()
    assert (codes, out) == ([code], "")
    stopped, going_on = err.splitlines()[-2:]
    held = Checkpoint.read(here / "run" / "last.safetensors")
    assert stopped == f"stopped at iteration {held.iteration:,}; the checkpoint is saved."
    assert going_on == "continue with: nca run --resume run"
    assert held.iteration >= 10
    assert not list((here / "run").glob(".*.part"))


def test_a_run_trains_on_from_a_runs_folder_and_says_so(nca, done):
    result = nca(
        *("run", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu", "--from", "done"),
        *("--set", "levels.body.rules.0.hidden=5", "--out", "on"),
    )
    assert result.code == 0
    best = Path("done/best.safetensors").resolve()
    assert f"trains on from {best}, iteration " in result.err.replace("\n", " ")
    assert "3 of 6 tensors fit; begin anew: " in result.err
    assert f'pretrained = "{best}"' in Path("on/recipe.toml").read_text()


def test_a_run_that_goes_on_takes_no_other_weights(nca, done):
    result = nca("run", "--resume", "done", "--from", "growing")
    assert result.code == 2
    assert "--resume goes on with the run's own weights: leave out --from" in " ".join(
        result.err.replace("│", "").split()
    )


def test_missing_weights_to_train_on_from_are_a_fault_of_the_recipe(nca, here):
    given = ("--plugin", "blobs.py", "--set", "train.pretrained=nowhere.safetensors")
    for command in (("recipes", "check"), ("run",)):
        result = nca(*command, "tiny.toml", *given)
        assert result.code == 1
        assert "there is no checkpoint" in result.err
    assert not Path("runs").exists()


FAILING = """
from nca import UpdateRule, register

@register.rule("small_batches")
class SmallBatches(UpdateRule):
    def forward(self, view):
        if len(view.own) > 3:
            raise RuntimeError("too many")
        return 0 * view.own
"""


def test_a_run_that_fails_before_it_has_trained_leaves_no_folder(nca, here):
    (here / "failing.py").write_text(FAILING)
    own = (
        (here / "tiny.toml")
        .read_text()
        .replace("rules = [", 'rules = [{ name = "small_batches" }, ')
    )
    (here / "tiny.toml").write_text(own)
    run = ["run", "tiny.toml", "--plugin", "blobs.py", "--plugin", "failing.py", "--device", "cpu"]
    result = nca(*run)
    assert result.code == 1
    assert "too many" in result.err
    assert not [*(here / "runs").glob("*")]
    (here / "mine").mkdir()
    (here / "mine" / "note.txt").write_text("kept")
    assert nca(*run, "--out", "mine").code == 1
    assert (here / "mine" / "note.txt").read_text() == "kept"
