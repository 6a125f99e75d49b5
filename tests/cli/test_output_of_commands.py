"""What commands write never lies over what somebody has, and is cleaned up when they are ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from robustness_case import saved

from nca.cli.interruption import ending_by_signal, interruptible

PLUGIN = ("--plugin", "blobs.py")
VERBS = {
    "render": ("render", "done", *PLUGIN, "--out"),
    "export": ("export", "done", *PLUGIN, "--out"),
    "onnx": ("export", "done", *PLUGIN, "--to", "onnx", "--out"),
    "stream": ("stream", "done", *PLUGIN, "--size", "8x8", "--steps", "1", "--out"),
    "bench": ("bench", "tiny.toml", *PLUGIN, "--out"),
    "islands": ("islands", "done", *PLUGIN, "--out"),
    "examine": ("examine", "done", *PLUGIN, "--out"),
    "run": ("run", "tiny.toml", *PLUGIN, "--out"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_file_of_somebody_else_stays_as_it_is(nca, done, verb):
    mine = Path("mine.png" if verb in ("render", "stream") else "mine")
    mine.write_text("mine")
    result = nca(*VERBS[verb], mine)
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[0].startswith("StorageError: ")
    assert result.err.splitlines()[-1].startswith("  to do:  ")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "run"])
@pytest.mark.parametrize("out", ["a" * 300 + ".png", "mine/a.png", "blobs.py"])
def test_a_place_for_nothing_is_refused_in_words(nca, done, verb, out):
    Path("mine").touch()
    before = Path("blobs.py").read_text()
    result = nca(*VERBS[verb], out)
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[0].split()[0] in ("StorageError:", "NCAError:")
    assert Path("blobs.py").read_text() == before


def test_a_sweep_replaces_no_results_of_somebody_else(nca, here):
    Path("mine").mkdir()
    Path("mine/results.json").write_text("mine")
    result = nca("sweep", "tiny.toml", *PLUGIN, "--seeds", "1", "--out", "mine")
    assert result.code == 1
    assert "what is there is not a sweep of nca, and stays" in result.err
    assert [path.name for path in Path("mine").iterdir()] == ["results.json"]


@pytest.mark.parametrize("folder", ["islands", "examine"])
def test_a_folder_with_files_of_somebody_else_stays_as_it_is(nca, done, folder):
    Path("mine").mkdir()
    Path("mine/report.html").write_text("mine")
    result = nca(*VERBS[folder], "mine")
    assert result.code == 1
    assert f"what is there is not a report of nca {folder}, and stays" in result.err
    assert [path.name for path in Path("mine").iterdir()] == ["report.html"]


def test_what_is_replaced_is_said(nca, done):
    first = nca(*VERBS["render"], "a.png", "--steps", "1")
    assert "replaced" not in first.err
    second = nca(*VERBS["render"], "a.png", "--steps", "1")
    assert (second.code, second.out) == (0, "a.png\n")
    assert "replaced a.png\n" in second.err


def test_an_examination_goes_on_in_its_folder_and_leaves_that_of_another_model(nca, here):
    given = ("examine", "case.safetensors", "--quick", "--long", "8", "--ask", "translation")
    saved("still", here / "case.safetensors")
    nca(*given)
    before = Path("examine-case/report.html").read_bytes()
    again = nca(*given)
    assert again.out.splitlines()[-1] == "examine-case/report.html"
    assert "replaced examine-case\n" in again.err
    saved("double", here / "case.safetensors")
    assert nca(*given).out.splitlines()[-1] == "examine-case-2/report.html"
    assert Path("examine-case/report.html").read_bytes() == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system knows no SIGHUP")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_stream_that_is_ended_leaves_no_grid(here, name, code):
    Path("life.toml").write_text(
        'format = 1\n[grid]\nsize = [8, 8]\n[[levels]]\nname = "cells"\nchannels = 1\n'
        'rules = [{ name = "life" }]\n[rollout]\nsteps = 1\n'
    )
    given = ["--size", "512x512", "--steps", "100000", "--soup", "0.3", "--folder", ".", "--device"]
    with subprocess.Popen(
        [sys.executable, "-m", "nca", "stream", "life.toml", *given, "cpu"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stderr is not None
        while "512 x 512 cells" not in (line := process.stderr.readline()):
            assert line, "it has ended already"
        assert list(here.glob("nca-stream-*"))
        process.send_signal(getattr(signal, name))
        process.stderr.read()
    assert process.returncode == code
    assert not list(here.glob("nca-stream-*"))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system knows no SIGHUP")
@pytest.mark.parametrize("context", [ending_by_signal, interruptible])
def test_a_signal_that_nohup_has_switched_off_stays_so(context):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with context():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
