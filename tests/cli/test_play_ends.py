"""`nca play` ends when it is asked to, whatever its worker does."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

connect = pytest.importorskip("websockets.sync.client", reason="it needs the extra play").connect

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ZIGZAG = [[2047.0 * (at % 2), at / 2] for at in range(2048)]
BUSY = {
    "many steps": {"type": "step", "count": 1000},
    "a far step": {"type": "go", "step": 100_000},
    "a brush": {
        "type": "act",
        "event": {"kind": "erase", "radius": 0.0, "points": ZIGZAG[:1000]},
    },
}


@contextmanager
def playing(size: str) -> Iterator[tuple[subprocess.Popen, urllib.parse.ParseResult]]:
    command = [sys.executable, "-m", "nca", "play", "life", "--no-open", "--size", size]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            assert process.stdout
            yield process, urllib.parse.urlparse(process.stdout.readline().strip())
        finally:
            process.kill()


def ended(process: subprocess.Popen, number: int) -> float:
    """Send a signal and return after how many seconds the process ended with its status."""
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert "Error" not in said
    return time.monotonic() - began


@contextmanager
def page(address: urllib.parse.ParseResult, message: dict) -> Iterator[None]:
    """A page that has just sent a message."""
    path = f"ws://{address.netloc}/talk?{address.query}"
    with connect(path, proxy=None, max_size=None) as wire:
        while not isinstance(wire.recv(timeout=60), bytes):
            pass
        wire.send(json.dumps(message))
        time.sleep(0.3)  # so that the worker has begun
        yield


@pytest.mark.parametrize("kind", BUSY)
def test_the_first_signal_ends_it_whatever_it_does(kind):
    number = signal.SIGTERM if kind == "a brush" else signal.SIGINT
    with playing("2048x2048") as (process, address), page(address, BUSY[kind]):
        assert ended(process, number) < 10, "seconds, on a busy machine; one on an idle one"


def test_a_film_does_not_keep_it():
    with playing("512x512") as (process, address):
        wished = "first=0&last=10000000&every=100000"
        film = f"http://{address.netloc}/take/film.gif?{address.query}&{wished}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def take() -> None:
            with pytest.raises((OSError, urllib.error.URLError)), opener.open(film):
                pass

        thread = Thread(target=take)
        thread.start()
        time.sleep(1)
        assert ended(process, signal.SIGINT) < 10
        thread.join(timeout=30)


STUCK = """
import sys, threading, time
from nca.play import ending as module
module.PATIENCE = float(sys.argv[1])
with module.ending() as end:
    end.clean = lambda: print("clean", flush=True)
    worker = threading.Thread(target=time.sleep, args=(600,))
    worker.start()
    print("ready", flush=True)
    worker.join()
"""


@pytest.mark.parametrize(("patience", "signals"), [("600", 2), ("0.2", 1)])
def test_a_second_signal_or_patience_ends_work_that_does_not_ask(patience, signals):
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, patience], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said == "clean\n"
