"""The training part of a checkpoint is checked as its weights are, before any of it is used."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import PLUGIN, RECIPE
from torch import Tensor
from training_case import begun

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.read import read_recipe
from nca.errors import CheckpointError
from nca.progress import SILENT
from nca.recipe.recipe import Recipe
from nca.training.loop import train
from nca.training.run import Run

CPU = torch.device("cpu")
GIVEN = ("train.average=0.9", "pool.size=4", "pool.fresh=1", "train.iterations=6")
WEIGHT = "automaton.rules.body.0.share"
Tensors = dict[str, Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that was stopped after 4 of 6 iterations."""
    run = begun(tmp_path, *GIVEN)
    run.table.__dict__["iterations"] = 4
    train(run)
    return run.folder


def resumed(folder: Path, change: Callable[[Tensors], object], **facts: object) -> Run:
    """Resume a run whose last checkpoint was changed."""
    path = folder / "last.safetensors"
    held = Checkpoint.read(path)
    tensors = dict(held.tensors)
    change(tensors)
    Checkpoint(**{**vars(held), "tensors": tensors, **facts}).write(path)
    return Run.resume(folder, CPU, None, SILENT)


def test_what_a_run_has_written_is_taken_up(folder):
    run = resumed(folder, lambda tensors: None)
    assert run.iteration == run.saved == 4
    (moments,) = run.optimiser.state_dict()["state"].values()
    assert moments["step"] == 4


def sets(name: str, value: Tensor) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({name: value})


def lacks(*names: str) -> Callable[[Tensors], object]:
    return lambda tensors: [tensors.pop(name) for name in names]


MOMENTS = ("optimiser.0.exp_avg", "optimiser.0.exp_avg_sq", "optimiser.0.step")
MEAN, SQUARE, STEP = MOMENTS
CASES = {
    "optimiser: 0.exp_avg is [9], not []": sets(MEAN, torch.zeros(9)),
    "optimiser: 0.exp_avg is float64, not float32": sets(
        MEAN, torch.zeros((), dtype=torch.float64)
    ),
    "optimiser: 0.exp_avg is not finite": sets(MEAN, torch.tensor(torch.nan)),
    "optimiser: 0.exp_avg_sq has numbers below 0": sets(SQUARE, torch.tensor(-1.0)),
    "optimiser: 0.exp_avg_sq is not finite": sets(SQUARE, torch.tensor(torch.inf)),
    "optimiser: 0.step is 5, not a whole number from 1 to 4": sets(STEP, torch.tensor(5.0)),
    "optimiser: 0.step is 0.5, not a whole number from 1 to 4": sets(STEP, torch.tensor(0.5)),
    "optimiser: 0.step is -1, not a whole number from 1 to 4": sets(STEP, torch.tensor(-1.0)),
    "optimiser: 0.step is int64, not float32": sets(STEP, torch.tensor(4)),
    "optimiser: missing 0.step []": lacks(STEP),
    "optimiser: missing 0.exp_avg []; optimiser: missing 0.exp_avg_sq []; optimiser: missing "
    "0.step []": lacks(*MOMENTS),
    "optimiser: unexpected 1.step []": sets("optimiser.1.step", torch.tensor(4.0)),
    "optimiser: unexpected 00.step []": sets("optimiser.00.step", torch.tensor(4.0)),
    "optimiser: unexpected x []": sets("optimiser.x", torch.tensor(4.0)),
    f"average: missing {WEIGHT} []": lacks(f"average.{WEIGHT}"),
    f"average: {WEIGHT} is [1], not []": sets(f"average.{WEIGHT}", torch.zeros(1)),
    f"average: {WEIGHT} is not finite": sets(f"average.{WEIGHT}", torch.tensor(torch.nan)),
    f"average: {WEIGHT} is bool, not float32": sets(f"average.{WEIGHT}", torch.tensor(True)),
    "pool: state.body is [1, 1, 4, 4], not [4, 1, 4, 4]": sets(
        "pool.state.body", torch.zeros(1, 1, 4, 4)
    ),
    "pool: missing state.body [4, 1, 4, 4]": lacks("pool.state.body"),
    "pool: unexpected truth.x [1]": sets("pool.truth.x", torch.zeros(1)),
    "automaton: rules.body.0.share is bool, not float32 or another floating-point type of 16 to "
    "64 bits": sets(WEIGHT, torch.tensor(True)),
    "automaton: rules.body.0.share is float8_e4m3fn, not float32 or another floating-point type of "
    "16 to 64 bits": sets(WEIGHT, torch.tensor(0.5).to(torch.float8_e4m3fn)),
    "automaton: rules.body.0.share is not finite": sets(
        WEIGHT, torch.tensor(1e300, dtype=torch.float64)
    ),
}


@pytest.mark.parametrize("said", CASES)
def test_what_does_not_fit_is_refused_in_words(folder, said):
    with pytest.raises(CheckpointError) as caught:
        resumed(folder, CASES[said])
    assert caught.value.what == f"the run cannot go on from its checkpoint: {said}."
    assert caught.value.where == str(folder / "last.safetensors")


@pytest.mark.parametrize("label", [-1, 2, 2**62])
def test_a_label_of_the_pool_that_is_no_class_is_refused(tmp_path, label):
    (tmp_path / "blobs.py").write_text(PLUGIN)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    recipe = read_recipe(str(tmp_path / "tiny.toml"), plugins=[tmp_path / "blobs.py"])
    folder = Run.start(recipe, tmp_path / "run", CPU, None, SILENT).folder
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, label])
    least, greatest = min(0, label), max(1, label)
    said = f"pool: truth.label has numbers from {least} to {greatest}, not within 0 to 1"
    with pytest.raises(CheckpointError, match=said):
        resumed(folder, sets("pool.truth.label", labels))


def test_an_iteration_beyond_the_recipe_is_refused(folder):
    with pytest.raises(CheckpointError, match="from iteration 7, beyond the recipe's last, 6"):
        resumed(folder, lambda tensors: None, iteration=7)


def test_everything_is_said_at_once(folder):
    def spoil(tensors: Tensors) -> None:
        tensors |= {MEAN: torch.zeros(9), "pool.state.body": torch.zeros(1)}

    with pytest.raises(CheckpointError, match=r"beyond .*; optimiser: .*; pool: .*"):
        resumed(folder, spoil, iteration=7)


def test_a_weight_that_no_gradient_has_reached_needs_no_moments(tmp_path):
    run = begun(tmp_path)
    run.iteration = 3
    run.save()
    assert Run.resume(run.folder, CPU, None, SILENT).iteration == 3


def test_weights_alone_begin_a_training(tmp_path):
    folder = begun(tmp_path).folder
    assert resumed(folder, sets(WEIGHT, torch.tensor(0.25))).iteration == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_best_whose_file_is_gone_is_found_anew(folder, there):
    if there:
        (folder / "best.safetensors").touch()
    assert resumed(folder, lambda tensors: None, best=0.5).best == (0.5 if there else None)


def test_a_recipe_is_what_it_was(folder):
    assert isinstance(resumed(folder, lambda tensors: None).recipe, Recipe)
