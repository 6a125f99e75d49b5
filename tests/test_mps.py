"""`--device mps`: what a machine without a Mac can test of it.

Everything that is put on the device stays there, and nothing there is float64. What is computed
is what the CPU computes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nca import CellRNG, DeviceError, NCAWarning
from nca.device import demand_counted_numbers, demand_float64, pick_device, pick_exact_device
from nca.engine.wide import on_host, wide

HERE = Path(__file__).parent
MPS = torch.device("mps")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory) -> dict[str, str]:
    """Return what went wrong, by command."""
    folder = tmp_path_factory.mktemp("mps")
    path = [str(HERE), str(HERE / "recipes"), *sys.path]
    ended = subprocess.run(
        [sys.executable, str(HERE / "mps_case.py"), str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        check=False,
    )
    assert not ended.returncode, ended.stderr
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    return {row["command"]: row["wrong"] for row in rows}


def test_all_stays_on_the_device_without_float64_and_is_what_the_cpu_computes(wrong):
    assert len(wrong) > 25
    assert not {command: words for command, words in wrong.items() if words}


def test_a_machine_without_one_says_what_there_is_instead():
    if torch.backends.mps.is_available():
        pytest.skip("this is a Mac")
    with pytest.raises(DeviceError) as caught:
        pick_device("mps")
    there = "cpu and cuda" if torch.cuda.is_available() else "cpu"
    assert caught.value.what == (
        f"torch {torch.__version__} finds no Apple GPU for 'mps': there is {there}."
    )


def test_auto_never_takes_it(monkeypatch):
    monkeypatch.setattr("nca.device.has_mps", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")


def test_it_is_taken_only_if_it_draws_the_numbers_of_the_cpu(monkeypatch):
    asked = []
    monkeypatch.setattr("nca.device.has_mps", lambda: True)
    monkeypatch.setattr("nca.device.demand_counted_numbers", asked.append)
    assert pick_device("mps") == MPS == asked[0]
    demand_counted_numbers(torch.device("cpu"))
    monkeypatch.setattr(CellRNG, "normal", lambda *_: torch.rand(3))
    with pytest.raises(DeviceError, match="draws other random numbers"):
        demand_counted_numbers(torch.device("cpu"))


def test_what_is_measured_in_float64_is_measured_on_the_cpu(monkeypatch):
    monkeypatch.setattr("nca.device.pick_device", torch.device)
    with pytest.warns(NCAWarning, match="mps has no float64"):
        assert pick_exact_device("mps") == torch.device("cpu")
    with pytest.raises(DeviceError, match="mps has no float64"):
        demand_float64(MPS)
    assert pick_exact_device("cpu") == torch.device("cpu")


def test_sums_are_taken_in_the_widest_numbers_that_there_are(monkeypatch):
    small = torch.full((3,), 1 / 3)
    assert wide(small).dtype == on_host(small).dtype == torch.float64
    monkeypatch.setattr("nca.engine.wide.WITHOUT_FLOAT64", {"cpu"})
    assert wide(small).dtype == torch.float32
    assert on_host(small).dtype == torch.float64
