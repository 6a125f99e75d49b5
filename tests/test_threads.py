"""As many threads as are fastest, and another look when throughput has changed."""

import json
from dataclasses import replace
from itertools import accumulate, chain, repeat
from types import SimpleNamespace

import pytest
import torch
from observed import Observed
from tiny import PLUGIN, RECIPE
from training_case import begun

import nca
from nca.cli import main
from nca.distributed.group import ProcessGroup
from nca.sweep.worker import Job, Measure, run_job
from nca.training import monitor
from nca.training.memory_planner import IterationProbe
from nca.training.threads import ThreadWatch, choose_threads


@pytest.fixture
def clock(monkeypatch):
    """Four threads, and what an iteration seems to take with so many."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(4)
    times = {1: 3.0, 2: 2.0, 4: 4.0}
    monkeypatch.setattr(IterationProbe, "seconds", lambda _: times[torch.get_num_threads()])
    yield times
    torch.set_num_threads(before)


def test_the_fastest_number_is_taken_said_and_kept(tmp_path, clock):
    run, observed = begun(tmp_path), Observed()
    choose_threads(run, observed)
    assert torch.get_num_threads() == 2
    times = "3 s an iteration with 1, 2 s an iteration with 2, 4 s an iteration with 4"
    assert observed.notes == [f"threads: 2 of 4; {times}"]
    torch.set_num_threads(4)
    clock[1] = 0.1
    choose_threads(run, observed)  # as a run that is resumed does
    assert torch.get_num_threads() == 2
    assert observed.notes[-1] == "threads: 2 of 4, as this run has had them"


@pytest.mark.parametrize("count", [1.0, True, "2", 0, -1, 5, None, [2]])
def test_a_number_that_is_none_in_a_damaged_log_is_not_taken(tmp_path, clock, count):
    run = begun(tmp_path)
    run.log.write({"iteration": 0, "kind": "threads", "threads": count})
    choose_threads(run, Observed())
    assert torch.get_num_threads() == 2


def test_of_those_that_are_as_fast_the_fewest_are_taken(tmp_path, clock):
    clock[1] = 2.1
    choose_threads(begun(tmp_path), Observed())
    assert torch.get_num_threads() == 1


def test_nothing_is_chosen_for_whoever_has_chosen_or_shares(tmp_path, clock, monkeypatch):
    run = begun(tmp_path)
    choose_threads(replace(run, group=ProcessGroup(0, 2)), Observed())
    assert torch.get_num_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    choose_threads(run, Observed())
    assert torch.get_num_threads() == 4


def test_another_look_is_taken_when_throughput_has_changed_for_three_records(tmp_path, clock):
    run, observed = begun(tmp_path), Observed()
    watch = ThreadWatch(run, observed)
    choose_threads(run, observed)
    clock[1] = 0.5
    for rate in (100.0, 49.0, 49.0, 60.0, 49.0, 49.0):
        watch.record({"kind": "train", "samples per second": rate})
        assert torch.get_num_threads() == 2
    watch.record({"kind": "train", "samples per second": 45.0})
    assert torch.get_num_threads() == 1
    assert observed.notes[-2] == "throughput has changed from 100 to 45 samples a second"
    clock[4] = 0.1
    for rate in (40.0, 90.0, 90.0, 90.0):
        watch.record({"kind": "train", "samples per second": rate})
    assert torch.get_num_threads() == 4
    row = run.log.last("threads")
    assert row is not None
    assert row["threads"] == 4


KEYS = ("train.iterations=7", "train.memory=store", "train.precision=float32")


def train_from_python(**given):
    nca.train("tiny.toml", overrides=KEYS, out="run", device="cpu", plugins=["blobs.py"], **given)


def run_command():
    changed = [word for key in KEYS for word in ("--set", key)]
    with pytest.raises(SystemExit) as end:
        main(["run", "tiny.toml", "--plugin", "blobs.py", "--out", "run", "--device=cpu", *changed])
    assert not end.value.code


def do_job():
    recipe = RECIPE.replace("format = 1", 'format = 1\nplugins = ["blobs.py"]')
    run_job(Job("run", recipe, "tiny", ".", KEYS, Measure(), "cpu"))


@pytest.fixture
def slower(tmp_path, clock, monkeypatch):
    """A working folder in which iterations take ten times as long after the second."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    ticks = accumulate(chain(repeat(1.0, 7), repeat(10.0)))
    monkeypatch.setattr(monitor, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    monkeypatch.setattr(monitor, "REPORT_EVERY", 1)

    def looks() -> int:
        rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
        return [json.loads(row)["kind"] for row in rows].count("threads")

    return looks


@pytest.mark.parametrize("trains", [train_from_python, run_command, do_job])
def test_whoever_trains_looks_again_when_throughput_has_fallen(slower, trains):
    trains()
    assert slower() == 2


def test_a_run_of_a_sweep_keeps_the_threads_of_its_slot(slower, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    do_job()
    assert slower() == 0
    assert torch.get_num_threads() == 4


def test_a_script_has_its_threads_again_when_training_ends_well_or_not(slower):
    taken: list[int] = []

    def stops() -> bool:
        taken.append(torch.get_num_threads())
        return len(taken) > 7 and bool(1 / 0)

    train_from_python(progress=Observed(stops))
    assert (set(taken), torch.get_num_threads()) == ({2}, 4)
    with pytest.raises(ZeroDivisionError):
        nca.train("tiny.toml", out="other", plugins=["blobs.py"], progress=Observed(stops))
    assert (taken[-1], torch.get_num_threads()) == (2, 4)
