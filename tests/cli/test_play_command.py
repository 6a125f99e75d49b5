"""`nca play` says where the page is, and what stands in its way."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from extras import needs_play

from nca.play import PlayedModel, Session
from nca.play.follow import follower, loss_curve, newest
from nca.play.hub import Hub
from nca.registry.discovery import load_file


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["life", "--size", "8x8"], "life (without weights) on cpu"),
        ([], "a gallery of what is installed"),
    ],
    ids=["life", "alone"],
)
@needs_play
def test_it_prints_the_address_serves_and_ends_with_ctrl_c(tmp_path, options, words):
    command = [sys.executable, "-m", "nca", "play", "--no-open", *options]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=10) as answer:
            assert b"<title>nca play</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert words in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["glom_mnits"], "did you mean `glom_mnist`?"),
        (["life", "--size", "8x8x8"], 'has 3 axes  rule "life" needs 2'),
        (["growing", "--size", "8"], "a grid of 8 cells cannot be played"),
        (["growing", "--follow"], "there is no run to follow"),
        (["life", "--history", "nowhere.json"], "the history cannot be read"),
    ],
)
@needs_play
def test_what_stands_in_the_way_is_said(nca, here, options, words):
    result = nca("play", *options, "--no-open")
    assert result.code == 1
    assert words in result.err


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--size", "big"]])
@needs_play
def test_what_makes_no_sense_is_a_usage_error(nca, here, options):
    assert nca("play", "life", "--no-open", *options).code == 2


def test_a_missing_extra_is_named(nca, here, monkeypatch):
    monkeypatch.setattr("nca.play.extra.find_spec", lambda name: None)
    result = nca("play", "life", "--no-open")
    assert result.code == 1
    assert 'pip install "nca[play]"' in result.err


@needs_play
def test_a_taken_port_is_said(nca, here):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = nca("play", "life", "--no-open", "--port", taken.getsockname()[1])
    assert result.code == 1
    assert "choose another --port" in result.err


def test_a_run_is_followed_to_its_newest_weights_whatever_fails_on_the_way(done, caplog):
    load_file(Path("blobs.py"))
    loads = []

    def load() -> PlayedModel:
        loads.append(1)
        if len(loads) == 2:
            raise LookupError("a bug of our own")
        return PlayedModel.load(str(newest(done)), torch.device("cpu"))

    lab = Hub(Session(load(), 4))
    first = lab.session

    async def watch() -> None:
        task = asyncio.create_task(follower(lab, done, load)())
        await asyncio.sleep(0.2)
        for number in (2, 3):
            shutil.copy(newest(done), done / "copy")
            (done / "copy").replace(newest(done))
            while len(loads) < number:
                await asyncio.sleep(0.05)
        for _ in range(100):
            await asyncio.sleep(0.05)
            if lab.session is not first:
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with ThreadPoolExecutor(1) as pool:  # the browser of other tests may hold this thread's loop
        pool.submit(asyncio.run, watch()).result()
    lab.close()
    assert lab.session is not first
    (record,) = caplog.records
    assert record.exc_info[0] is LookupError
    assert lab.session.here.branch.random_seed == 4
    rows = [json.loads(line) for line in (done / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses
    assert loss_curve(done)["losses"] == losses
