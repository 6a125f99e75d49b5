"""As many threads as are fastest, and another look when throughput has changed."""

from dataclasses import replace

import pytest
import torch
from observed import Observed
from training_case import begun

from nca.distributed.group import ProcessGroup
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
