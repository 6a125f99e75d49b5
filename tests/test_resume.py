"""A run that is killed at any moment goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
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

# writes slowly, so that a kill can meet a checkpoint that is half on the disk
SLOW = """
import os, sys, time

sync = os.fsync
def slow(file):
    time.sleep(0.2)
    sync(file)
os.fsync = slow
from nca.cli import main
main(sys.argv[1:])
"""


def start(folder, *arguments, slow=False):
    command = [sys.executable, "-c", SLOW] if slow else [sys.executable, "-m", "nca"]
    return subprocess.Popen(
        [*command, "run", *map(str, arguments), "--device", "cpu"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(folder, *arguments):
    process = start(folder, *arguments)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def wait_for(condition, process):
    limit = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.005)


def reached(run: Path, iteration: int) -> bool:
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return any(f'"iteration": {iteration},' in line for line in lines)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


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
        wait_for(lambda: reached(run, 10), process)
        kill(process)
        process = start(tmp_path, "--resume", run)
        wait_for(lambda: reached(run, 30), process)
        kill(process)
        finish(tmp_path, "--resume", run)
        assert_same_run(run, uninterrupted)
        iterations = [row["iteration"] for row in records(run) if row["kind"] == "train"]
        assert iterations == sorted(set(iterations)), "a record was written twice"

    def test_survives_a_kill_while_a_checkpoint_is_written(self, uninterrupted, tmp_path):
        (tmp_path / "tiny.toml").write_text(RECIPE)
        run = tmp_path / "killed"
        process = start(tmp_path, "tiny.toml", "--out", run, slow=True)

        def halfway():
            return reached(run, 10) and any(run.glob(".last.safetensors.*.part"))

        wait_for(halfway, process)
        kill(process)
        assert list(run.glob(".*.part")), "the kill came too late to leave anything half-written"
        finish(tmp_path, "--resume", run)
        assert not list(run.glob(".*.part"))
        assert_same_run(run, uninterrupted)

    def test_that_never_saved_leaves_nothing_to_mistake_for_a_run(self, tmp_path):
        (tmp_path / "tiny.toml").write_text(RECIPE)
        process = start(tmp_path, "tiny.toml", "--out", "early")
        kill(process)
        process = start(tmp_path, "--resume", "early")
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "there is no such run" in said


def test_an_uninterrupted_run_validates_and_logs(uninterrupted):
    kinds = [row["kind"] for row in records(uninterrupted)]
    assert kinds.count("held_out") == 3
    assert kinds.count("train") >= 6
