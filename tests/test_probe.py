"""How much a call holds at its peak, and sizes as people write them."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from nca import NCAError
from nca.device import seconds
from nca.training import probe

CPU = torch.device("cpu")
KILO = 1000


def bytes_(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.uint8)


def test_the_peak_counts_what_is_held_at_once_and_not_what_was_there():
    there = bytes_(KILO)

    def call():
        first, second = bytes_(3 * KILO), bytes_(2 * KILO)
        del first, second
        return there, bytes_(4 * KILO)

    assert probe.peak(call, CPU) == 5 * KILO


def test_what_a_call_frees_makes_room_for_what_it_takes_later():
    def call():
        held = [bytes_(10 * KILO)]
        held.clear()
        held.append(bytes_(4 * KILO))

    assert probe.peak(call, CPU) == 10 * KILO


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows it")
def test_the_resident_peak_is_found_again_and_again():
    def fill(megabytes: int) -> Callable[[], object]:
        return lambda: torch.ones(megabytes << 18).sum()

    torch.ones(1).sum()
    for megabytes in (96, 32, 96):
        peak = probe.resident_peak(fill(megabytes), CPU)
        assert peak is not None
        assert megabytes - 1 < peak / 2**20 < megabytes + 16  # the system counts in lumps


def test_where_the_system_cannot_reset_it_the_resident_peak_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(probe, "CLEAR", tmp_path / "no" / "such" / "file")
    ran = []
    assert probe.resident_peak(lambda: ran.append(1), CPU) is None
    assert ran == [1]


@pytest.mark.gpu
@pytest.mark.parametrize("measure", [probe.peak, probe.resident_peak])
def test_the_peak_on_a_gpu_is_counted_by_torch(measure):
    device = torch.device("cuda")

    def call():
        held = torch.ones(3 << 20, dtype=torch.uint8, device=device)
        del held
        return torch.ones(2 << 20, dtype=torch.uint8, device=device)

    assert 3 << 20 <= measure(call, device) <= 4 << 20  # the allocator may give up to 1 MiB more


def test_a_call_takes_time():
    assert 0 < seconds(lambda: torch.ones(9), CPU) < 60


HOLDS = """
import torch
from nca.training import probe
before = probe.held(torch.device("cpu"))
ballast = torch.ones(100_000_000, dtype=torch.uint8)
print(probe.held(torch.device("cpu")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says")
def test_this_process_holds_what_it_allocates():
    # by itself: what other tests have left may be freed at any moment
    told = subprocess.run([sys.executable, "-P", "-c", HOLDS], capture_output=True, check=True)
    assert 95 * KILO * KILO < int(told.stdout) < 200 * KILO * KILO


def test_more_is_free_than_nothing():
    assert 100 * KILO * KILO < (probe.free(CPU) or 0) < 1e15


def test_a_limit_of_the_group_bounds_what_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "GROUPS", tmp_path)
    unbounded = probe.free(CPU) or 0
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert probe.free(CPU) != 700
    (tmp_path / "memory.max").write_text("1000\n")
    assert unbounded > 700
    assert probe.free(CPU) == 700


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GB", 24_000_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("800mb", 800_000_000),
        ("16g", 16_000_000_000),
        ("2Ki", 2048),
        ("12", 12),
        (" 7 kB ", 7000),
    ],
)
def test_a_size_is_read_as_it_is_written(text, size):
    assert probe.bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "GB", "-1GB", "0", "1,5GB", "24PB", "3 iB", "nan"])
def test_what_is_no_size_is_told(text):
    with pytest.raises(NCAError) as fault:
        probe.bytes_of(text)
    assert str(fault.value) == (
        f"{text!r} is no size of a memory.\n  where:  --free\n"
        "  to do:  give a number with a unit: 24GB, 800MB or 16GiB"
    )


def test_measuring_says_nothing():
    code = (
        "import torch; from nca.training import probe;"
        "probe.peak(lambda: torch.ones(9) + 1, torch.device('cpu'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
