"""A file of unknown origin is bounded before memory is taken for it, and refused in words."""

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny import PLUGIN, RECIPE, changed

from nca.checkpoint.bounds import HEADER
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.outline import outline
from nca.checkpoint.trained import Trained
from nca.errors import CheckpointError, NCAError
from nca.recipe.recipe import Recipe
from nca.registry.discovery import load_file

FACTS = {"format": 1, "name": "tiny", "recipe": RECIPE}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def file_of(folder: Path, **facts: Any) -> Path:
    path = folder / "foreign.safetensors"
    save_file({}, path, metadata={"nca": json.dumps({**FACTS, **facts})})
    return path


def with_header(folder: Path, **tensors: Any) -> Path:
    header = json.dumps({**tensors, "__metadata__": {"nca": json.dumps(FACTS)}}).encode()
    path = folder / "header.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.read(path)
    return caught.value.what


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"metrics": {"test": nested(300)}}, "metadata"),
        ({"metrics": {"test": [{"a\ud800": 1.0}]}}, "metadata"),
        ({"recipe": "# \udfff"}, "metadata"),
        ({"overrides": ["a"] * 300_000}, "metadata"),
        ({"metrics": {"test": {"steps": 3}}}, "metrics"),
        ({"metrics": {"test": [3]}}, "metrics"),
        ({"metrics": {"test": [{"steps": [3]}]}}, "metrics"),
        ({"iteration": 10**400}, "iteration"),
        ({"name": "a\x1b]52;c;bmNh\x07"}, "name"),
        ({"name": "gro\u202ewing"}, "name"),
        ({"name": "a" * 300}, "name"),
    ],
)
def test_metadata_beyond_the_bounds_are_refused_and_named(tmp_path, facts, named):
    what = refusal(file_of(tmp_path, **facts))
    assert what == f"the checkpoint is damaged: its {named} cannot be right."


@pytest.mark.parametrize("depth", [900, 100_000])
def test_json_of_any_depth_is_refused_without_a_traceback(tmp_path, depth):
    text = json.dumps({**FACTS, "metrics": {}})[:-3] + '{"test": ' + "[" * depth + "]" * depth
    save_file({}, tmp_path / "deep.safetensors", metadata={"nca": text + "}}"})
    assert "its metadata cannot be right" in refusal(tmp_path / "deep.safetensors")


def test_metrics_of_rows_and_remarks_are_read(tmp_path):
    metrics = {"test": [{"steps": 3, "after": "", "vote": 0.5, "error": None}], "device": "CPU"}
    assert Checkpoint.read(file_of(tmp_path, metrics=metrics)).metrics == metrics


def test_a_header_of_absurd_length_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "long.safetensors"
    path.write_bytes(struct.pack("<Q", HEADER + 1) + b"{}")
    tracemalloc.start()
    assert "its header claims 16,000,001 bytes" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("shape", [[0, 2**60], [0] + [1] * 5000, [0, -1], "wide", [0.0]])
def test_a_tensor_without_a_real_shape_is_named(tmp_path, shape):
    row = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    assert refusal(with_header(tmp_path, weight=row)).endswith("its tensor weight has no shape.")


def test_more_tensors_than_any_automaton_has_are_refused(tmp_path):
    row = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    many = {f"weight{number}": row for number in range(20_001)}
    assert "it claims to hold 20,001 tensors" in refusal(with_header(tmp_path, **many))


def test_an_outline_has_every_shape_and_no_memory():
    recipe = Recipe.parse(RECIPE, name="tiny", folder=Path())
    drawn, built = outline(recipe.automaton), recipe.automaton()
    shapes = {name: tensor.shape for name, tensor in built.state_dict().items()}
    assert {name: tensor.shape for name, tensor in drawn.state_dict().items()} == shapes
    assert {tensor.device.type for tensor in drawn.state_dict().values()} == {"meta"}


def test_a_recipe_that_asks_for_more_than_its_file_holds_takes_no_memory(tmp_path):
    (tmp_path / "blobs.py").write_text(PLUGIN)
    load_file(tmp_path / "blobs.py")
    path = file_of(tmp_path, recipe=changed("hidden = 4", "hidden = 1_000_000_000"))
    with pytest.raises(NCAError, match=r"missing .*1000000000|hidden"):
        Trained.load(str(path), torch.device("cpu"))
