"""No command is silent for long: it says that torch is loading, and what it measures."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nca.cli import waiting

HELD = """
import builtins, sys, threading
from nca.cli import main, waiting

def held(name, globals=None, *others, **more):
    if (globals or {}).get("__name__") == "torch":  # a finder would hold the lock of all imports
        let_go.wait(60)
    return imported(name, globals, *others, **more)

def heard(text):
    said(text)
    if text == until:
        let_go.set()

let_go, until = threading.Event(), sys.argv.pop(1)
said, waiting.say, waiting.EVERY = waiting.say, heard, 1.0
imported, builtins.__import__ = builtins.__import__, held
main(sys.argv[1:])
"""
"""Runs a command whose import of torch is held until it has said the first argument."""


def command(until: str, *arguments: str) -> list[str]:
    return [sys.executable, "-u", "-c", HELD, until, *arguments]


def test_a_command_that_waits_for_torch_says_so_first_and_again_for_as_long_as_that_takes():
    words = command("loading torch: 2 s", "inspect", "growing")
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.splitlines()[:2] == ["loading torch", "loading torch: 2 s"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_torch_is_loading_ends_the_command_without_a_traceback(number):
    words = command("never", "inspect", "growing")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline() == "loading torch\n"
        run.send_signal(number)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 128 + number
    assert not [line for line in said.splitlines() if not line.startswith("loading torch: ")]


def test_one_that_needs_no_torch_says_nothing():
    words = command("never", "recipes", "show", "growing")
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"}
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_where_torch_is_there_already_nothing_is_said(capsys, monkeypatch):
    monkeypatch.setattr(waiting, "AFTER", 0.01)
    with waiting.sign_of_life():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("flags", [[], ["--measure"]])
def test_a_plan_says_what_it_measures_from_its_beginning(nca, here, monkeypatch, flags):
    monkeypatch.setattr("nca.cli.plan.LINE_EVERY", 0.0)
    lines = nca("plan", "tiny.toml", "--plugin", "blobs.py", *flags).err.splitlines()
    assert lines[0].startswith("tiny on ")
    measuring = [line for line in lines if line.startswith("measuring ")]
    assert measuring[0].startswith("measuring store: ")
    assert {line.split()[1] for line in measuring} >= {"store:", "recompute:", "segments:"}
