"""A checkpoint comes back bit by bit, or is refused in words; the one before it stays whole."""

import errno
import json
import math
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny import RECIPE, changed
from torch import nn
from torch.testing import assert_close

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.read import read_checkpoint
from nca.errors import CheckpointError, StorageError
from nca.recipe.errors import RecipeError

TENSORS = {
    "automaton.weight": torch.tensor([[1.0, math.pi], [-0.0, 1e-40]]),
    "automaton.half": torch.randn(3, generator=torch.Generator().manual_seed(0)).bfloat16(),
    "optimiser.0.step": torch.tensor(7.0, dtype=torch.float64),
    "pool.samples": torch.tensor([2**62, -1]),
    "pool.alive": torch.tensor([True, False]),
    "pool.empty": torch.zeros(0, 3),
}
GIVEN = Checkpoint(
    name="tiny",
    recipe=RECIPE,
    overrides=("train.batch=4",),
    iteration=12,
    metrics={"test": [{"steps": 3, "vote": 0.1 + 0.2, "error": float("nan")}], "device": "CPU"},
    best=0.1,
    tensors=TENSORS,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    GIVEN.write(tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def told(path: Path) -> dict:
    """Return what the metadata of a checkpoint tell."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["nca"])


def refused(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.read(path)
    assert str(path) in caught.value.where
    assert caught.value.to_do
    return caught.value


def test_what_is_written_is_read_bit_by_bit(path):
    read = Checkpoint.read(path)
    assert read.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read.tensors[name].dtype == tensor.dtype
        assert_close(read.tensors[name], tensor, rtol=0, atol=0)
    row = GIVEN.metrics["test"][0] | {"error": None}  # JSON has no NaN
    wanted = replace(GIVEN, metrics={**GIVEN.metrics, "test": [row]})
    assert replace(read, tensors={}) == replace(wanted, tensors={})


def test_tensors_that_share_memory_or_are_laid_out_otherwise_are_written(tmp_path):
    picture = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    tensors = {"a": picture, "b": picture[0], "c": picture.transpose(1, 2)}
    Checkpoint("tiny", RECIPE, tensors=tensors).write(tmp_path / "shared.safetensors")
    read = Checkpoint.read(tmp_path / "shared.safetensors").tensors
    assert all(read[name].equal(tensor) for name, tensor in tensors.items())


def test_a_file_cut_short_anywhere_is_refused(path):
    content = path.read_bytes()
    for length in [*range(0, len(content), 41), len(content) - 1]:
        path.write_bytes(content[:length])
        assert refused(path).what.startswith("the checkpoint is damaged or no safetensors file: ")


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path_factory, place, mask):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    GIVEN.write(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= mask
    path.write_bytes(content)
    refused(path)


def test_a_changed_weight_is_noticed_by_the_checksum(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refused(path).what == "the checkpoint is damaged: its checksum cannot be right."


def test_an_older_file_without_checksum_is_read(tmp_path):
    facts = {"format": 1, "name": "old", "recipe": RECIPE}
    save_file({}, tmp_path / "old.safetensors", metadata={"nca": json.dumps(facts)})
    assert Checkpoint.read(tmp_path / "old.safetensors").name == "old"


@pytest.mark.parametrize("content", [b"", b"PK\3\4" * 99, os.urandom(999), b"\xff" * 99, b"{}" * 9])
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    refused(tmp_path / "a.safetensors")


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_pickles_are_refused_and_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path)
    torch.save({"weight": torch.zeros(3), "bomb": Bomb()}, path)
    refused(path)
    assert not Path("exploded").exists()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"nca": "{"}, {"nca": "[]"}])
def test_foreign_safetensors_are_told_from_damaged_ones(tmp_path, metadata):
    save_file(TENSORS, tmp_path / "a.safetensors", metadata=metadata)
    fault = refused(tmp_path / "a.safetensors")
    assert fault.what == "the file is safetensors, but no checkpoint of nca: it carries no recipe."
    assert "nca import" in fault.to_do


@pytest.mark.parametrize("name", ["nowhere.safetensors", "", "x" * 5000, "a\0b"])
def test_a_checkpoint_that_is_not_there_is_told(tmp_path, name):
    fault = refused(tmp_path / name)
    assert fault.what == "there is no such checkpoint."


def rewritten(path: Path, **facts: object) -> Path:
    """Write the same file with other metadata, and the checksum left out."""
    metadata = {**told(path), **facts}
    del metadata["checksum"]
    save_file(TENSORS, path, metadata={"nca": json.dumps(metadata)})
    return path


def test_a_newer_format_asks_for_a_newer_version(path):
    fault = refused(rewritten(path, format=2))
    assert fault.what == "the checkpoint has format 2, but this version reads format 1."
    assert fault.to_do == "install a newer nca"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("format", value) for value in (0, -1, True, 1.0, "1", None, [])],
        *[("name", value) for value in (None, 3, "", "..", "../evil", "/etc/evil", "a/b")],
        ("recipe", 3),
        ("overrides", "train.batch=3"),
        ("overrides", [3]),
        ("iteration", "12"),
        ("iteration", -1),
        ("iteration", 1.5),
        ("metrics", []),
        ("best", "good"),
        ("versions", {"nca": 1}),
        ("tensors", {}),
    ],
)
def test_metadata_of_wrong_types_are_refused_and_named(path, key, value):
    fault = refused(rewritten(path, **{key: value}))
    assert fault.what == f"the checkpoint is damaged: its {key} cannot be right."


def test_all_tensors_that_do_not_fit_are_named_in_order(path):
    module = nn.Module()
    for name in ("weight", "zebra", "ant"):
        module.register_parameter(name, nn.Parameter(torch.zeros(3)))
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.read(path).load(module, "automaton", path)
    assert caught.value.what == (
        "the weights do not fit the automaton: missing ant [3]; missing zebra [3]; "
        "unexpected half [3]; weight is [2, 2], not [3]."
    )


def test_weights_that_are_no_numbers_are_refused(path):
    module = nn.Linear(2, 1)
    tensors = {"automaton.weight": torch.tensor([[1.0, math.nan]]), "automaton.bias": torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"weights of the automaton are not finite: weight\."):
        Checkpoint("tiny", RECIPE, tensors=tensors).load(module, "automaton", path)


def test_a_recipe_that_lacks_its_plugin_names_the_file_to_give(tmp_path):
    text = 'plugins = ["mine.py"]\n' + changed('"growing"', '"shrinking"')
    Checkpoint("tiny", text).write(tmp_path / "a.safetensors")
    with pytest.raises(RecipeError, match=r"line 17 .* no rule \"shrinking\" .* --plugin mine.py"):
        read_checkpoint(str(tmp_path / "a.safetensors"))


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written: No space left on device\."):
        Checkpoint("new", RECIPE).write(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
