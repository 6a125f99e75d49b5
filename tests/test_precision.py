"""Products in bfloat16 where that is faster, and where training has met it."""

from dataclasses import replace

import pytest
import torch
from observed import Observed
from torch import nn
from training_case import begun

from nca import NCAWarning
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.trained import Trained
from nca.distributed.agreement import agreed_precision
from nca.progress import SILENT
from nca.recipe import precision
from nca.recipe.precision import PrecisionChoice, decide_precision, measured_gain, product_shapes
from nca.training.choices import note_precision
from nca.training.run import Run

CPU = torch.device("cpu")
NET = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Linear(8, 2))
MANY = 10**6


@pytest.fixture
def gain(monkeypatch):
    """Set how many times as fast products in bfloat16 seem to be."""
    monkeypatch.setattr(precision, "LEAST_WORK", 0)
    return lambda value: monkeypatch.setattr(precision, "measured_gain", lambda *_: value)


def test_cells_are_multiplied_with_each_weight_of_two_axes_or_more():
    assert product_shapes(NET) == ((8, 36), (2, 8))


@pytest.mark.parametrize(("times", "name"), [(1.3, "bfloat16"), (1.1, "float32")])
def test_auto_takes_bfloat16_where_it_is_faster_by_a_fifth(gain, times, name):
    gain(times)
    choice = decide_precision("auto", NET, MANY, CPU)
    words = f"precision: {name}, products in bfloat16 are {times} times as fast here"
    assert (choice.name, choice.gain, choice.sentence()) == (name, times, words)


def test_what_a_recipe_asks_for_is_done_and_what_is_slow_is_said(gain):
    gain(0.2)
    assert decide_precision("float32", NET, MANY, CPU).name == "float32"
    with pytest.warns(NCAWarning, match=r"bfloat16 take 5\.0 times as long as in float32"):
        assert decide_precision("bfloat16", NET, MANY, CPU).name == "bfloat16"
    gain(1.0)
    assert decide_precision("bfloat16", NET, MANY, CPU).name == "bfloat16"


def test_little_is_not_put_to_trial(monkeypatch):
    monkeypatch.setattr(precision, "measured_gain", None)
    choice = decide_precision("auto", NET, 64, CPU)
    assert (choice.name, choice.gain) == ("float32", None)


def test_a_gain_is_the_ratio_of_the_fastest_rounds(monkeypatch):
    times = iter([9.0, 9.0, *(6.0, 4.0) * 2, *(3.0, 5.0), *(6.0, 2.0) * 2])
    monkeypatch.setattr(precision, "seconds", lambda call, device: call() or next(times))
    measured_gain.cache_clear()
    assert measured_gain(((2, 3),), 4, CPU) == 1.5
    measured_gain.cache_clear()


def recorded(run: Run) -> str | None:
    return Checkpoint.read(run.folder / "last.safetensors").precision


def test_a_run_keeps_to_what_it_began_with(tmp_path, gain):
    gain(3.0)
    run = begun(tmp_path)
    run.close()
    assert recorded(run) == "bfloat16"
    observed = Observed()
    note_precision(run, observed)
    row = run.log.last("precision")
    assert row is not None
    assert (row["name"], row["gain"]) == ("bfloat16", 3.0)
    assert observed.notes == ["precision: bfloat16, products in bfloat16 are 3 times as fast here"]
    gain(0.1)
    for given, name in (((), "bfloat16"), (("train.precision=float32",), "float32")):
        again = Run.resume(run.folder, CPU, None, SILENT, given)
        again.close()
        with again.recipe.autocast(CPU):
            assert str(torch.ones(2, 2).mm(torch.ones(2, 2)).dtype) == f"torch.{name}"


@pytest.mark.parametrize(
    ("trained", "times", "name"),
    [
        ("bfloat16", 3.0, "bfloat16"),
        ("bfloat16", 0.3, "float32"),
        ("float32", 3.0, "float32"),
        (None, 3.0, "float32"),
    ],
)
def test_a_checkpoint_is_evaluated_in_bfloat16_only_if_it_was_trained_so(
    tmp_path, gain, trained, times, name
):
    run = begun(tmp_path)
    run.close()
    path = run.folder / "last.safetensors"
    replace(Checkpoint.read(path), precision=trained).write(path)
    gain(times)
    found = Trained.load(str(path), CPU)
    assert found.recipe.precision is not None
    assert found.recipe.precision.name == name
    assert found.place.endswith("products in bfloat16") == (name == "bfloat16")


class Group:
    """Several processes, of which another one says something."""

    def __init__(self, other: bool) -> None:
        self.other = other

    def any(self, wish: bool) -> bool:
        return wish or self.other


@pytest.mark.parametrize(("other", "name"), [(True, "float32"), (False, "bfloat16")])
def test_several_processes_agree(tmp_path, other, name):
    recipe = replace(begun(tmp_path).recipe, precision=PrecisionChoice("bfloat16", "by the clock"))
    choice = agreed_precision(recipe, Group(other)).precision  # pyright: ignore[reportArgumentType]
    assert choice is not None
    assert choice.name == name
