"""A run that several processes share, and what becomes of it if one is stopped or killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from process_group_case import trained
from processes import Commands, together
from safetensors.torch import load_file
from test_run_command import FILES
from torch.testing import assert_close

from nca.checkpoint.file import Checkpoint

ITERATIONS = 80
LONG = (f"train.iterations={ITERATIONS}", "train.save_every=10", "train.validate_every=40")
GIVEN = ("--plugin", "blobs.py", "--device", "cpu")


def told(overrides: tuple[str, ...]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def wait_until_reached(run: Path, iteration: int, running: Callable[[], bool]) -> None:
    log, limit = run / "metrics.jsonl", time.monotonic() + 60
    while not (log.is_file() and f'"iteration": {iteration},' in log.read_text()):
        assert running(), "it ended too early"
        assert time.monotonic() < limit
        time.sleep(0.01)


def workers(launcher: subprocess.Popen[str]) -> dict[int, int]:
    """Return the process id of each rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    found = {}
    for child in map(int, children):
        words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        found |= {int(word[5:]): child for word in words if word.startswith(b"RANK=")}
    return found


def faults(err: str) -> list[str]:
    return [line for line in err.splitlines() if "Error: " in line and line[0].isupper()]


LOST = ["ProcessError: another process of this run has ended, so that none can go on."]


def test_processes_that_are_stopped_and_killed_go_on_to_the_same_bits(here):
    run = here / "run"
    shared = Commands.start(2, here, "run", "tiny.toml", "--out", "run", *told(LONG), *GIVEN)
    wait_until_reached(run, 10, lambda: shared.running)
    for process in shared.processes * 2:  # from the terminal, and from torchrun once more
        os.kill(process.pid or 0, signal.SIGINT)
    codes, out, err = shared.end()
    stopped = Checkpoint.read(run / "last.safetensors").iteration
    assert (codes, out, 10 <= stopped < ITERATIONS) == ([130, 130], "", True)
    assert f"stopped at iteration {stopped:,}; the checkpoint is saved." in err
    assert err.count("continue with: nca run --resume run\n") == 1

    shared = Commands.start(2, here, "run", "--resume", "run", *GIVEN)
    wait_until_reached(run, stopped // 10 * 10 + 20, lambda: shared.running)
    shared.processes[0].kill()
    codes, _, err = shared.end()
    assert (codes, faults(err)) == ([-signal.SIGKILL, 1], LOST)
    assert Checkpoint.read(run / "last.safetensors").iteration < ITERATIONS

    codes, out, err = Commands.start(2, here, "run", "--resume", "run", *GIVEN).end()
    assert codes == [0, 0], err
    assert out.splitlines()[-1] == "run/best.safetensors"
    assert sorted(file.name for file in run.iterdir()) == FILES
    together(2, trained, here, "whole", LONG, None, False, torch.float32)
    for name in ("last.safetensors", "best.safetensors"):
        found, wanted = load_file(run / name), load_file(here / "whole" / name)
        assert bytes(found.pop("files.0").tolist()) == (here / "blobs.py").read_bytes()
        assert_close(found, wanted, rtol=0, atol=0)


def test_torchrun_ends_all_processes_if_one_is_killed_and_the_reason_is_told_once(here):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "nca"]
    process = subprocess.Popen(
        [*torchrun, "run", "tiny.toml", "--out", "run", "--set", "train.iterations=99999", *GIVEN],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    wait_until_reached(here / "run", 10, lambda: process.poll() is None)
    os.kill(workers(process)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert [line for line in faults(err) if "ChildFailedError" not in line] == LOST


def test_processes_that_share_the_grid_measure_what_one_does(nca, done, here):
    what = ("evaluate", "done", "--plugin", "blobs.py", "--device", "cpu", "--json")
    alone = nca(*what)
    for how in (("--shard", "1x2"), ()):
        codes, out, err = Commands.start(2, here, *what, *how).end()
        assert (codes, json.loads(out)) == ([0, 0], json.loads(alone.out))
        assert err.count("best.safetensors: test data on") == 1
        assert "2 processes" in err


def test_processes_that_share_the_grid_draw_what_one_does(nca, done, here):
    what = ("render", "done", "--plugin", "blobs.py", "--device", "cpu", "--steps", "5", "--out")
    assert nca(*what, "alone.png").code == 0
    for how in (("--shard", "2x1"), ()):
        codes, out, err = Commands.start(2, here, *what, "shared.png", *how).end()
        assert (codes, out) == ([0, 0], "shared.png\n"), err
        pictures = [np.asarray(Image.open(here / f"{n}.png"), int) for n in ("alone", "shared")]
        assert pictures[0].std() > 10
        assert abs(pictures[0] - pictures[1]).max() <= 1
    result = nca(*what, "plane.png", "--plane", "--shard", "2x1")
    assert (result.code, "leave out --shard" in result.err) == (2, True)


def test_what_is_wrong_is_told_once(here):
    shared = Commands.start(
        2, here, "run", "tiny.toml", "--out", "run", "--set", "train.batch=3", *GIVEN
    )
    codes, out, err = shared.end()
    assert (codes, out) == ([1, 1], "")
    assert err == (
        "ProcessError: a batch of 3 cannot be split evenly among 2 processes.\n"
        "  where:  [train] batch\n"
        "  to do:  start a number of processes that divides it, or --set train.batch=2\n"
    )
    assert not (here / "run").exists()


def test_blocks_without_processes_are_told(nca, here):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--shard", "2x1")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "ProcessError: 2 blocks need 2 processes, but there is one.\n"
        "  where:  --shard 2x1\n"
        "  to do:  torchrun --nproc-per-node 2 -m nca ... --shard 2x1\n"
    )
    result = nca("run", "tiny.toml", "--shard", "2by1")
    assert result.code == 2
    assert "'2by1' is not written like 2x1" in result.err
