"""Several processes train as one does, end together, and go on in any number."""

import json
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from process_group_case import (
    averaged,
    held_in_common,
    images_in_common,
    moved,
    order_of_events,
    settled,
    shares,
    trained,
)
from processes import together
from safetensors.torch import load_file
from tiny import PLUGIN, RECIPE, changed
from torch import nn
from torch.testing import assert_close

from nca import DeviceError, ProcessError
from nca.distributed import group
from nca.distributed.group import ProcessGroup, local_device

ALL_OF_IT = """
average = 0.9
gradient = "clipped"
clip = 0.01
last_states = 2
"""
POOL = "[pool]\nsize = 8\n"
EXACT = {"rtol": 0, "atol": 1e-10}

RECIPES = {
    "with a pool": RECIPE.replace(POOL, f"{POOL}damaged = 1\nswapped = 1\n"),
    "in two parts": changed("batch = 4\n", "batch = 4\nparts = 2\n"),
    "without a pool, recomputing": changed(
        "batch = 4\n", 'batch = 4\nmemory = "recompute"\n', changed(POOL, "")
    ),
}


@pytest.fixture(params=RECIPES)
def here(request, tmp_path) -> Path:
    text = RECIPES[request.param].replace("save_every = 2\n", f"save_every = 2{ALL_OF_IT}")
    (tmp_path / "tiny.toml").write_text(text)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    return tmp_path


def records(run: Path) -> list[dict[str, object]]:
    """Return what was logged, as numbers alone."""
    return figures(map(json.loads, (run / "metrics.jsonl").read_text().splitlines()))


def figures(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """Return what of rows does not depend on the clock, as numbers alone."""
    left_out = ("samples per second", "after", "kind")
    return [{k: v for k, v in row.items() if k not in left_out} for row in rows]


def assert_same_run(run: Path, other: Path) -> None:
    """Demand the same files, with the same names in them, and nearly the same numbers."""
    assert sorted(f.name for f in run.iterdir()) == sorted(f.name for f in other.iterdir())
    for name in ("last.safetensors", "best.safetensors"):
        assert_close(load_file(run / name), load_file(other / name), **EXACT)
    assert_close(records(run), records(other), **EXACT)


def test_processes_train_as_one_does(here):
    (alone,) = together(1, trained, here, "one")
    assert together(2, trained, here, "two") == [alone] * 2
    count = 2 if "parts = 2" in (here / "tiny.toml").read_text() else 4
    assert together(count, trained, here, "four") == [alone] * count
    assert together(2, trained, here, "halves of the grid", (), (1, 2)) == [alone] * 2
    start = load_file(here / "one" / "last.safetensors")["automaton.rules.body.0.change.weight"]
    assert start.any(), "nothing was learnt, so nothing was tested"
    for other in ("two", "four", "halves of the grid"):
        assert_same_run(here / other, here / "one")


def test_a_run_goes_on_in_another_number_of_processes(here):
    first, then = ("train.iterations=2",), ("train.iterations=4",)
    together(1, trained, here, "whole")
    for before, after in ((1, 2), (2, 1)):
        name = f"{before} then {after}"
        together(before, trained, here, name, first)
        together(after, trained, here, name, then, None, True)
        last = load_file(here / name / "last.safetensors")
        assert_close(last, load_file(here / "whole" / "last.safetensors"), **EXACT)


@pytest.mark.parametrize("counts", [(3, 1, 2), (2, 3, 1)])
def test_a_run_goes_on_in_numbers_that_do_not_divide_each_other(counts, tmp_path):
    (tmp_path / "tiny.toml").write_text(SHARED)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    together(1, trained, tmp_path, "whole", ("train.iterations=6",))
    for turn, count in enumerate(counts):
        last = (f"train.iterations={2 * turn + 2}",)
        together(count, trained, tmp_path, "in turns", last, None, turn > 0)
    ends = [load_file(tmp_path / name / "last.safetensors") for name in ("whole", "in turns")]
    assert_close(ends[1], ends[0], **EXACT)


@pytest.mark.parametrize("shard", [None, (1, 2)])
def test_processes_take_the_memory_that_fits_where_the_least_is_free(shard, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPES["with a pool"])
    (tmp_path / "blobs.py").write_text(PLUGIN)
    for free, mode in ((10**12, "store"), (0, "segments")):
        told = together(2, settled, tmp_path, mode, free, shard)
        assert [(memory.mode, near) for memory, near in told] == [(mode, True)] * 2


SHARED = changed("batch = 4\n", "batch = 6\n", RECIPES["with a pool"])
SHARED = changed("size = 8\ndamaged", "size = 9\ndamaged", SHARED)
# the last of its batches has fewer samples than there are processes
SHARED = changed("steps = [3]\n", 'steps = [3]\nbatch = 11\ndisturb = "swap"\n', SHARED)


def test_each_process_draws_holds_and_judges_its_share_alone(tmp_path):
    (tmp_path / "tiny.toml").write_text(SHARED)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    (alone,) = together(1, shares, tmp_path, "alone")
    assert (alone["drawn"], alone["judged"]) == (6, 6)
    assert alone["evaluated"] == [11, 11, 2]  # each once, though inputs are exchanged
    for each in together(3, shares, tmp_path, "three"):
        assert (each["drawn"], each["pool"]) == (2, alone["pool"] // 3)
        assert each["judged"] <= 6
        assert max(each["evaluated"]) <= 4
        assert_close(each["weights"], alone["weights"], **EXACT)
        assert_close(figures(each["rows"]), figures(alone["rows"]), **EXACT)
    blocks = together(2, shares, tmp_path, "blocks", (1, 2))
    truths = 9 * 65  # which are whole in each: a label, and which cells are alive
    assert [each["pool"] for each in blocks] == [(alone["pool"] - truths) // 2 + truths] * 2


def test_rows_of_a_table_come_from_and_go_to_the_process_that_has_them():
    index = torch.tensor([6, 0, 3, 5, 1])
    numbers = torch.arange(14).view(7, 2)
    numbers[index] *= -1
    for count in (1, 3):
        floats, whole, truths = together(count, moved, 7, index)[0]
        assert floats.equal(numbers.double())
        assert whole.equal(numbers)
        flipped = torch.arange(14.0).view(7, 2).remainder(7).gt(2)
        flipped[index] = ~flipped[index]
        assert truths.equal(flipped)


def test_what_is_alike_in_all_processes_lies_in_memory_once():
    assert together(2, held_in_common, True) == [([-5.0, 131073.0], False)] * 2
    others = [([131072.0 + rank, 131073.0 + rank], True) for rank in range(2)]
    assert together(2, held_in_common, False) == others


def test_processes_hold_their_images_in_common(tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    assert together(2, images_in_common, tmp_path, "run") == [(3, True)] * 2


def test_gradients_are_averaged_once_an_iteration_however_many_parts(tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPES["in two parts"])
    (tmp_path / "blobs.py").write_text(PLUGIN)
    assert together(2, averaged, tmp_path, "run") == [2, 2]


@pytest.mark.parametrize("recipe", ["with a pool", "in two parts"])
def test_states_are_on_their_way_to_the_pool_during_the_backward_pass(recipe, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPES[recipe])
    (tmp_path / "blobs.py").write_text(PLUGIN)
    for events in together(2, order_of_events, tmp_path, "run"):
        # image, body, label and which cells live: they are taken, and put back
        parts, rows = (["back", "done"] * ("parts" in recipe)), 4
        taken = ["send", "wait"] * (rows + 1)  # and sample numbers
        once = [*taken, *parts, *["send"] * rows, "back", "done", *["wait"] * rows]
        assert events == once * 2


def test_a_batch_that_cannot_be_split_evenly_is_refused():
    with pytest.raises(ProcessError, match="a batch of 4 cannot be split evenly among 3 process"):
        ProcessGroup(0, 3).check(4)
    ProcessGroup(0, 3).check(6)
    with pytest.raises(
        ProcessError, match="12, in 4 parts cannot be split evenly among 2 processes"
    ):
        ProcessGroup(0, 2).check(12, 4)
    ProcessGroup(0, 3).check(12, 4)
    ProcessGroup(0, 1).check(12, 5)  # which the recipe has refused
    ProcessGroup(0, 3, shard=(3, 1)).check(4)


@pytest.mark.parametrize(
    ("count", "shard", "told"),
    [
        (1, (2, 1), "2 blocks need 2 processes, but there is one."),
        (2, (2, 3), "6 blocks need 6 processes, but there are 2."),
    ],
)
def test_blocks_that_do_not_match_the_processes_are_refused(count, shard, told):
    with pytest.raises(ProcessError) as fault:
        ProcessGroup(0, count, shard=shard)
    assert fault.value.what == told


def test_one_process_alone_does_as_if_there_were_no_others():
    crew, module = ProcessGroup(), nn.Linear(1, 1)
    assert crew.wrap_ddp(module) is module
    assert crew.sharding((3, 3)) is None
    assert [crew.any(wish) for wish in (False, True)] == [False, True]
    assert crew.broadcast("a word") == "a word"
    assert crew.first_fault()


def test_each_process_of_a_machine_takes_a_gpu_of_its_own():
    meeting = {"RANK": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    third = {"WORLD_SIZE": "4", "LOCAL_RANK": "2", **meeting}
    assert local_device("cuda", third) == "cuda:2"
    assert local_device("cpu", third) == "cpu"
    assert local_device("cuda", {}) == "cuda"
    assert local_device("cuda:1", {**third, "WORLD_SIZE": "1"}) == "cuda:1"
    assert local_device("cuda:1", {"WORLD_SIZE": "4"}) == "cuda:1"
    assert local_device("auto", third) == ("cuda:2" if torch.cuda.is_available() else "auto")
    with pytest.raises(DeviceError, match="4 processes cannot share cuda:1"):
        local_device("cuda:1", third)


@pytest.fixture
def sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield before
    signal.signal(signal.SIGTERM, before)


def test_a_lost_process_is_told_in_plain_words_and_other_faults_are_not_touched(sigterm):
    crew = ProcessGroup(1, 2)
    with pytest.raises(RuntimeError, match="mat1 and mat2"), crew.guard():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert signal.getsignal(signal.SIGTERM) is sigterm
    with pytest.raises(ProcessError) as told, crew.guard():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:1")
    assert told.value.what == "another process of this run has ended, so that none can go on."
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_the_leader_keeps_the_store_until_the_others_have_asked_but_not_for_ever(monkeypatch):
    store = dist.HashStore()
    leader, other = ProcessGroup(0, 2, store), ProcessGroup(1, 2, store)
    asked = []
    late = threading.Timer(0.2, lambda: asked.append(other.first_fault()))
    late.start()
    assert leader.first_fault()
    assert asked == [False]
    usual = group.PATIENCE
    monkeypatch.setattr(group, "PATIENCE", 0.1)
    began = time.monotonic()
    assert ProcessGroup(0, 2, dist.HashStore()).first_fault()
    assert 0.1 <= time.monotonic() - began < usual
