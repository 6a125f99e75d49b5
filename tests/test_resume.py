"""A run that is killed at any moment goes on as if nothing had happened."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from processes import Commands
from safetensors.torch import load_file

RECIPE = """
format = 1
random_seed = 3
[grid]
size = [14, 14]
[[levels]]
name = "body"
channels = 8
rules = [{ name = "growing", hidden = 8 }]
[rollout]
steps = [4, 8]
fire_rate = 0.5
noise = 0.01
alive = { level = "body", channel = 3, above = 0.1 }
[task]
name = "image_growth"
target = "lizard"
side = 12
[pool]
size = 16
damaged = 1
[train]
batch = 4
iterations = 60
learning_rate = 2e-3
schedule = "cosine"
gradient = "normalised"
average = 0.9
validate_every = 20
save_every = 5
[evaluate]
steps = [8]
"""


def slowly():
    """Write slowly, so that a kill can meet a checkpoint that is half on the disk."""

    def slow(file):
        time.sleep(0.2)
        sync(file)

    sync, os.fsync = os.fsync, slow


def start(folder, *arguments, before=None):
    return Commands.alone(folder, "run", *arguments, "--device", "cpu", before=before)


def finish(folder, *arguments):
    codes, _, said = start(folder, *arguments).end()
    assert codes == [0], said


def reached(run: Path, iteration: int) -> bool:
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return any(f'"iteration": {iteration},' in line for line in lines)


def records(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "samples per second"} for row in rows]


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("last.safetensors", "best.safetensors"):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        differing = [key for key in ours if not ours[key].equal(theirs[key])]
        assert not differing, f"{name}: {differing}"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.toml").write_text(RECIPE)
    finish(folder, "tiny.toml", "--out", "whole")
    return folder / "whole"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
class TestKilledRun:
    def test_ends_with_the_bits_of_an_uninterrupted_one(self, uninterrupted, tmp_path):
        (tmp_path / "tiny.toml").write_text(RECIPE)
        run = tmp_path / "killed"
        process = start(tmp_path, "tiny.toml", "--out", run)
        process.wait_until(lambda: reached(run, 10))
        process.kill()
        process = start(tmp_path, "--resume", run)
        process.wait_until(lambda: reached(run, 30))
        process.kill()
        finish(tmp_path, "--resume", run)
        assert_same_run(run, uninterrupted)
        iterations = [row["iteration"] for row in records(run) if row["kind"] == "train"]
        assert iterations == sorted(set(iterations)), "a record was written twice"

    def test_survives_a_kill_while_a_checkpoint_is_written(self, uninterrupted, tmp_path):
        (tmp_path / "tiny.toml").write_text(RECIPE)
        run = tmp_path / "killed"
        process = start(tmp_path, "tiny.toml", "--out", run, before=slowly)

        def halfway():
            return reached(run, 10) and any(run.glob(".last.safetensors.*.part"))

        process.wait_until(halfway)
        process.kill()
        assert list(run.glob(".*.part")), "the kill came too late to leave anything half-written"
        finish(tmp_path, "--resume", run)
        assert not list(run.glob(".*.part"))
        assert_same_run(run, uninterrupted)

    def test_that_never_saved_leaves_nothing_to_mistake_for_a_run(self, tmp_path):
        (tmp_path / "tiny.toml").write_text(RECIPE)
        process = start(tmp_path, "tiny.toml", "--out", "early")
        process.kill()
        process = start(tmp_path, "--resume", "early")
        codes, _, said = process.end()
        assert codes == [1]
        assert "there is no such run" in said


def test_an_uninterrupted_run_validates_and_logs(uninterrupted):
    kinds = [row["kind"] for row in records(uninterrupted)]
    assert kinds.count("held_out") == 3
    assert kinds.count("train") >= 6
