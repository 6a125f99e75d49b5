"""Runs that train on from a checkpoint: what fits is taken, and what does not is said."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from observed import Observed
from tiny import RECIPE
from training_case import begun, weight

import nca
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.read import read_recipe
from nca.errors import CheckpointError, NCAError
from nca.training.pretrained import pretrained_path
from nca.training.run import Run

CPU = torch.device("cpu")
WEIGHT = "automaton.rules.body.0.share"
GROWING = ["task.side=8", "grid.size=[10, 10]", "pool.size=8", "pool.damaged=0", "train.batch=2"]


@pytest.fixture
def source(tmp_path) -> Path:
    """A checkpoint whose only weight is 0.25."""
    return written(begun(tmp_path), tmp_path / "source.safetensors", {WEIGHT: torch.tensor(0.25)})


def written(run: Run, path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    run.close()
    last = Checkpoint.read(run.folder / "last.safetensors")
    replace(last, tensors={**last.tensors, **tensors}, iteration=7).write(path)
    return path


def growing(source: str, tmp_path: Path, *overrides: str) -> tuple[Run, Observed]:
    recipe = read_recipe("growing", [*GROWING, f"train.pretrained={source}", *overrides])
    seen = Observed()
    run = Run.start(recipe, tmp_path / "on", CPU, None, seen)
    run.close()
    return run, seen


def test_a_run_begins_with_the_weights_of_the_checkpoint(tmp_path):
    run, seen = growing("growing", tmp_path)
    given = nca.load("growing", device="cpu").automaton.state_dict()
    had = run.automaton.state_dict()
    assert given.keys() == had.keys()
    assert all(torch.equal(had[name], given[name]) for name in given)
    assert run.ema is None or all(torch.equal(t, had[n[10:]]) for n, t in run.ema.tensors.items())
    assert run.iteration == 0
    assert not run.optimiser.state_dict()["state"]
    assert any("4 of 4 tensors fit" in note for note in seen.notes)
    (record,) = map(json.loads, (run.folder / "metrics.jsonl").read_text().splitlines())
    assert (record["kind"], record["begin"], record["unused"]) == ("pretrained", [], [])
    assert len(record["taken"]) == 4
    saved = Checkpoint.read(run.folder / "last.safetensors").part("automaton")
    assert all(torch.equal(saved[name], given[name]) for name in given)


def test_averaged_weights_are_taken_where_there_are_any(tmp_path, source):
    last = Checkpoint.read(source)
    averaged = {**last.tensors, f"average.{WEIGHT}": torch.tensor(0.75)}
    replace(last, tensors=averaged).write(source)
    run = begun(tmp_path / "on", f'train.pretrained="{source}"', "train.average=0.5")
    assert weight(run) == 0.75
    assert run.ema is not None
    assert [tensor.item() for tensor in run.ema.tensors.values()] == [0.75]


def test_what_has_another_shape_begins_anew_and_is_named(tmp_path):
    run, seen = growing("growing", tmp_path, "levels.body.channels=12")
    first = read_recipe("growing", [*GROWING, "levels.body.channels=12"]).automaton().state_dict()
    name = "rules.body.0.hidden.weight"
    assert torch.equal(run.automaton.state_dict()[name], first[name])
    (note,) = (note for note in seen.notes if note.startswith("trains on"))
    assert "1 of 4 tensors fit" in note
    assert f"automaton.{name} (in the checkpoint [96, 48], not [96, 36])" in note
    assert run.taken is not None
    assert run.taken.taken == ("automaton.rules.body.0.hidden.bias",)


def test_what_the_recipe_does_not_have_is_not_used_and_named(tmp_path, source):
    last = Checkpoint.read(source)
    more = {"automaton.rules.body.1.rate": torch.zeros(2), "task.start": torch.zeros(1)}
    replace(last, tensors={**last.tensors, **more}).write(source)
    run = begun(tmp_path / "on", f'train.pretrained="{source}"')
    assert weight(run) == 0.25
    assert run.taken is not None
    assert run.taken.unused == tuple(sorted(more))
    assert "not used: automaton.rules.body.1.rate, task.start" in run.taken.sentence()


def test_the_target_is_the_recipes_own(tmp_path):
    run, _ = growing("growing", tmp_path, "task.target=butterfly")
    own = read_recipe("growing", [*GROWING, "task.target=butterfly"]).task()
    own.prepare(CPU, None, nca.SILENT)
    assert torch.equal(run.task.state_dict()["target"], own.state_dict()["target"])


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(2), "no weight of the checkpoint fits"),
        (torch.zeros((), dtype=torch.int32), "no weight of the checkpoint fits"),
        (torch.tensor(float("nan")), "are not finite"),
    ],
)
def test_a_checkpoint_that_gives_nothing_sound_leaves_no_folder(tmp_path, source, tensor, said):
    last = Checkpoint.read(source)
    replace(last, tensors={**last.tensors, WEIGHT: tensor}).write(source)
    with pytest.raises(CheckpointError, match=said):
        begun(tmp_path / "on", f'train.pretrained="{source}"')
    assert not (tmp_path / "on" / "run").exists()


def test_a_run_that_began_so_goes_on_without_the_checkpoint(tmp_path, source):
    run = begun(tmp_path / "on", f'train.pretrained="{source}"')
    run.close()
    source.unlink()
    again = Run.resume(run.folder, CPU, None, nca.SILENT)
    again.close()
    assert weight(again) == 0.25
    with pytest.raises(NCAError, match=r"no effect on this: train\.pretrained") as refused:
        Run.resume(run.folder, CPU, None, nca.SILENT, ("train.pretrained=growing",))
    assert "nca run RECIPE --from CHECKPOINT" in refused.value.to_do


def test_a_path_in_a_recipe_starts_at_its_folder(tmp_path, source, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run = begun(tmp_path / "on", 'train.pretrained="../source.safetensors"')  # typed here
    assert weight(run) == 0.25
    text = RECIPE.replace("[train]", '[train]\npretrained = "source.safetensors"')
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text.replace("blobs", "mnist").replace("held_out = 8\n", ""))
    assert pretrained_path(read_recipe(str(recipe))) == source
