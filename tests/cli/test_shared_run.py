"""A run that torchrun starts in several processes, and what becomes of it if one is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from crew_case import trained
from processes import together
from safetensors.torch import load_file
from test_run_command import FILES
from torch.testing import assert_close

from nca.checkpoint import Checkpoint

ITERATIONS = 150
LONG = (f"train.iterations={ITERATIONS}", "train.save_every=5", "train.validate_every=50")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [*torchrun, "-m", "nca", "run", *arguments, "--plugin", "blobs.py", "--device", "cpu"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def told(overrides: tuple[str, ...]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def workers(launcher: subprocess.Popen[str]) -> dict[int, int]:
    """Return the process id of each rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    found = {}
    for child in map(int, children):
        words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        found |= {int(word[5:]): child for word in words if word.startswith(b"RANK=")}
    return found


def wait_until_reached(run: Path, iteration: int, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 60
    while f'"iteration": {iteration},' not in (
        (run / "metrics.jsonl").read_text() if (run / "metrics.jsonl").is_file() else ""
    ):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_processes_that_are_stopped_and_killed_go_on_to_the_same_bits(here):
    """Ctrl-C reaches all processes, and from torchrun once more; then one of them is lost."""
    run = here / "run"
    process = start(here, "tiny.toml", "--out", "run", *told(LONG))
    wait_until_reached(run, 10, process)
    for worker in workers(process).values():
        os.kill(worker, signal.SIGINT)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    stopped = Checkpoint.read(run / "last.safetensors").iteration
    assert (out, 10 <= stopped < ITERATIONS) == ("", True)
    assert f"stopped at iteration {stopped:,}; the checkpoint is saved." in err
    assert err.count("continue with: nca run --resume run --plugin blobs.py") == 1

    process = start(here, "--resume", "run")
    wait_until_reached(run, stopped // 10 * 10 + 20, process)
    os.kill(workers(process)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert [line for line in err.splitlines() if line.startswith("ProcessError")] == [
        "ProcessError: another process of this run has ended, so that none can go on."
    ]
    assert Checkpoint.read(run / "last.safetensors").iteration < ITERATIONS

    process = start(here, "--resume", "run")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "run/best.safetensors"
    assert sorted(file.name for file in run.iterdir()) == FILES
    together(2, trained, here, "whole", LONG, None, False, torch.float32)
    for name in ("last.safetensors", "best.safetensors"):
        found, wanted = load_file(run / name), load_file(here / "whole" / name)
        assert_close(found, wanted, rtol=0, atol=0)


def test_what_is_wrong_is_told_once_by_two_processes(here):
    process = start(here, "tiny.toml", "--out", "run", "--set", "train.batch=3")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(
        "ProcessError: a batch of 3 cannot be split evenly among 2 processes.\n"
        "  where:  [train] batch\n"
        "  to do:  start a number of processes that divides it, or --set train.batch=2\n"
    )
    assert err.count("ProcessError") == 1
    assert not (here / "run").exists()


def test_blocks_without_processes_are_told(nca, here):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--shard", "2x1")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "ProcessError: 2 blocks need 2 processes, but there is one.\n"
        "  where:  --shard 2x1\n"
        "  to do:  torchrun --nproc-per-node 2 -m nca run ... --shard 2x1\n"
    )
    result = nca("run", "tiny.toml", "--shard", "2by1")
    assert result.code == 2
    assert "'2by1' is not written like 2x1" in result.err
