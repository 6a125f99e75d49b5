"""A sweep from end to end: its table, its folder, and how it is stopped and goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from observed import Observed
from processes import Commands
from safetensors.torch import load_file

from nca.cli.sweep import _slots
from nca.cli.sweep_table import show_lines
from nca.progress import SILENT
from nca.reports.statistics import Statistics
from nca.sweep.folder import write_asked
from nca.sweep.plan import Base, PlannedRun
from nca.sweep.processes import LOG, Slot, side_by_side
from nca.sweep.results import MeasuredMoment, VariantResult
from nca.sweep.worker import Job, Measure, run_job

VARIANTS = """\
[small]
title = "as it is"
set = []

[wide]
title = "twice as wide"
set = ['levels.body.rules=[{ name = "growing", hidden = 8 }]']
"""
SWEEP = ["sweep", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu", "--jobs", "2"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def stamps(folder: Path) -> dict[str, int]:
    """Return when each file of the runs was last written."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.parent != folder]
    return {str(file): file.stat().st_mtime_ns for file in files}


def test_a_sweep_trains_compares_and_does_nothing_twice(nca, here):
    (here / "ablation.toml").write_text(VARIANTS)
    asked = [*SWEEP, "--variants", "ablation.toml", "--over", "task.held_out=8,30"]
    result = nca(*asked)
    assert result.code == 0
    assert not Path("runs").exists()
    folder = Path("sweeps/tiny-1")
    names = {
        f"{title}_held_out={count}_seed_3"
        for title in ("as_it_is", "twice_as_wide")
        for count in (8, 30)
    }
    assert {path.name for path in folder.iterdir() if path.is_dir()} == names

    # with 30 images set aside of 24, none is left to train on
    head, *rows, reason, other, path = result.out.splitlines()
    assert max(map(len, [head, *rows])) <= 100
    assert " ".join(head.split()) == "combination runs parameters vote at 3 min max"
    assert [" ".join(row.split()) for row in rows] == [
        "as it is held_out=8 1 82 0.5000 0.5000 0.5000",
        "twice as wide held_out=8 1 150 0.5000 0.5000 0.5000",
        "as it is held_out=30 0 of 1",
        "twice as wide held_out=30 0 of 1",
    ]
    assert path == "sweeps/tiny-1/results.json"
    what = "[task] held_out is 30, and leaves none of 24 images to train on"
    assert result.err.count(f"failed: {what}") == 2
    why = f"{what}: hold out fewer than 24"
    assert reason == f"failed: as it is  held_out=30 seed 3: {why}"
    assert other == f"failed: twice as wide  held_out=30 seed 3: {why}"
    assert result.err.splitlines()[0] == "4 runs; 2 at a time"
    assert result.err.splitlines()[-1] == (
        "next: nca evaluate sweeps/tiny-1/as_it_is_held_out=8_seed_3 --plugin blobs.py"
    )
    told = json.loads((folder / "results.json").read_text())
    assert told["split"] == "held_out"
    assert told["combinations"][0]["moments"][0]["metrics"]["vote"]["mean"] == 0.5
    with (folder / "results.csv").open() as file:
        assert [row["combination"] for row in csv.DictReader(file)] == [
            line["title"] for line in told["combinations"]
        ]

    before = stamps(folder)
    again = nca(*asked[:-1], "task.held_out=8", "--out", folder, "--json")
    assert again.code == 0
    assert stamps(folder) == before
    assert again.err.splitlines()[0] == "2 runs, 2 of them done already"
    assert [line["title"] for line in json.loads(again.out)["combinations"]] == [
        "as it is  held_out=8",
        "twice as wide  held_out=8",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--over", "train.batch=4,0"], "1 of 2 combinations of tiny.toml cannot be run, and none"),
        (["--over", "train.batch"], "the sweep cannot be planned."),
        (["--seeds", "none"], "the sweep cannot be planned."),
        (["--variants", "nowhere.toml"], "the sweep cannot be planned."),
    ],
)
def test_a_sweep_with_faults_makes_nothing(nca, here, options, told):
    before = sorted(here.rglob("*"))
    result = nca(*SWEEP, *options)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"SweepError: {told}")
    assert sorted(here.rglob("*")) == before


def jobs_in(folder: Path) -> list[str]:
    """Return the processes that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program = (entry / "cmdline").read_bytes().decode()
            if "nca.cli.job" in program and (entry / "cwd").resolve() == folder.resolve():
                found.append(entry.name)
        except OSError:  # it has just ended
            continue
    return found


def wait_for(condition) -> None:
    limit = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def reached(run: Path, iteration: int) -> bool:
    log = run / "metrics.jsonl"
    return log.is_file() and f'"iteration": {iteration},' in log.read_text()


LONG = ["train.iterations=150", "train.validate_every=50", "train.save_every=10"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system has no /proc")
def test_a_stopped_and_killed_sweep_ends_as_if_nothing_had_happened(nca, here):
    options = [*SWEEP, "--seeds", "[5]", *(word for key in LONG for word in ("--set", key))]
    options[options.index("--jobs") + 1] = "1"
    run = here / "sweeps" / "tiny-1" / "seed_5"

    process = Commands.alone(here, *options)
    process.wait_until(lambda: reached(run, 20))
    assert len(jobs_in(here)) == 1
    process.send(signal.SIGINT)
    codes, out, err = process.end()
    assert (codes, out) == ([130], "")
    assert err.splitlines()[-2:] == [
        "stopped with 0 of 1 runs done; what is trained is saved.",
        "continue with: the same command again",
    ]
    assert jobs_in(here) == []
    assert not reached(run, 150)

    process = Commands.alone(here, *options)
    process.wait_until(lambda: reached(run, 70))
    process.kill()
    wait_for(lambda: not jobs_in(here))  # nobody told them, and yet they end
    assert not reached(run, 150)

    result = nca(*options)
    assert result.code == 0
    assert "seed 5  goes on at iteration " in result.err
    whole = Job(
        folder=str(here / "whole"),
        text=(here / "tiny.toml").read_text(),
        name="tiny",
        home=str(here),
        overrides=(*LONG, "random_seed=5"),
        measure=Measure(),
        device="cpu",
        plugins=("blobs.py",),
    )
    outcome = run_job(whole)
    assert json.loads((run / "outcome.json").read_text()) == outcome
    for name in ("last.safetensors", "best.safetensors"):
        ours, theirs = load_file(run / name), load_file(here / "whole" / name)
        assert ours.keys() == theirs.keys()
        assert not [key for key in ours if not ours[key].equal(theirs[key])], name
    assert not (run / LOG).exists(), (run / LOG).read_text()


def job_in(folder: Path) -> Job:
    return Job(str(folder), "", "tiny", "", (), Measure(), "cpu")


def program(here: Path, monkeypatch, *lines: str) -> None:
    """Let jobs be done by a shell script instead."""
    file = here / "program"
    file.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    file.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(file))


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
class TestProcess:
    def test_that_is_killed_is_a_failure_with_its_reason(self, here, monkeypatch):
        program(here, monkeypatch, "kill -9 $$")
        jobs = [job_in(here / "a"), job_in(here / "b")]
        outcomes = side_by_side(jobs, [Slot("cpu", 1)], lambda job: SILENT, lambda: False)
        assert set(outcomes) == {str(here / "a"), str(here / "b")}
        why = outcomes[str(here / "a")]["failed"]
        assert why.startswith("its process ended with signal 9, perhaps for want of memory (")

    def test_that_fails_leaves_what_it_wrote(self, here, monkeypatch):
        program(here, monkeypatch, "echo what it wrote >&2", "exit 3")
        outcomes = side_by_side(
            [job_in(here / "a")], [Slot("cpu", 1)], lambda job: SILENT, lambda: False
        )
        log = here / "a" / LOG
        assert outcomes[str(here / "a")] == {
            "failed": f"its process ended with exit code 3 ({log})"
        }
        assert log.read_text() == "what it wrote\n"

    def test_gets_its_device_and_its_share_of_threads(self, here, monkeypatch):
        line = '{"kind": "outcome", "outcome": {"threads": %d, "device": "%s"}}'
        program(
            here,
            monkeypatch,
            "read job",
            "echo null",
            "echo 5",
            "echo no JSON",
            'device=$(echo $job | sed \'s/.*"device": "\\([^"]*\\)".*/\\1/\')',
            f"printf '{line}\\n' $OMP_NUM_THREADS $device",
        )
        outcomes = side_by_side(
            [job_in(here / "a")], [Slot("cuda:1", 3)], lambda job: SILENT, lambda: False
        )
        assert outcomes == {str(here / "a"): {"threads": 3, "device": "cuda:1"}}

    def test_that_is_stopped_has_no_outcome_and_the_rest_is_never_begun(self, here, monkeypatch):
        # ends when the pipe to it closes, and not before
        program(here, monkeypatch, 'echo \'{"kind": "begun"}\'', "cat > /dev/null", "exit 130")
        observed = Observed()
        jobs = [job_in(here / "a"), job_in(here / "b")]
        stopped = lambda: {"kind": "begun"} in observed.rows  # noqa: E731
        assert side_by_side(jobs, [Slot("cpu", 1)], lambda job: observed, stopped) == {}
        assert observed.rows == [{"kind": "begun"}, {"kind": "ended", "outcome": None}]
        assert not (here / "b").exists()


@pytest.mark.parametrize(
    ("devices", "jobs", "runs", "threads", "expected"),
    [
        (["cpu"], None, 100, "2", [("cpu", 2)] * 4),
        (["cpu"], None, 100, "", [("cpu", 1)] * 8),
        (["cpu"], None, 2, "", [("cpu", 4)] * 2),
        (["cpu"], 3, 100, "", [("cpu", 2)] * 3),
        (["cuda:0", "cuda:1"], None, 9, "", [("cuda:0", 4), ("cuda:1", 4)]),
        (["cuda:0", "cuda:1"], 3, 9, "", [("cuda:0", 2), ("cuda:1", 2), ("cuda:0", 2)]),
    ],
)
def test_cores_and_gpus_are_shared_among_the_jobs(
    monkeypatch, devices, jobs, runs, threads, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert _slots(devices, jobs, runs) == [Slot(device, share) for device, share in expected]


def line(title: str, *moments: MeasuredMoment, failed=None) -> VariantResult:
    return VariantResult(title, (), (0, 1), failed or {}, 1234, moments, title)


def moment(steps: int, after: str, *values: float) -> MeasuredMoment:
    return MeasuredMoment(steps, after, {"vote": Statistics.of(values)})


def test_the_table_shows_mean_and_spread_at_every_moment(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    show_lines(
        [
            line("hidden=16", moment(3, "", 0.9, 0.8), moment(6, "swap", 0.7, 0.7)),
            line("hidden=8", moment(3, "", 0.5), moment(6, "swap", 0.25), failed={2: "no space"}),
        ],
        "vote",
    )
    told = capsys.readouterr()
    assert told.out == (
        "combination    runs  parameters        vote at 3     min     max  vote at 6 after swap\n"
        "hidden=16         2       1,234  0.8500 ± 0.0707  0.8000  0.9000       0.7000 ± 0.0000\n"
        "hidden=8     2 of 3       1,234           0.5000  0.5000  0.5000                0.2500\n"
        "failed: hidden=8 seed 2: no space\n"
    )
    assert told.err == ""


def test_moments_that_differ_are_counted_instead(capsys):
    show_lines([line("a", moment(3, "", 0.9)), line("b", moment(4, "", 0.8))], "vote")
    assert "vote at moment 1" in capsys.readouterr().out


def test_more_runs_at_a_time_than_the_cores_take_are_refused(nca, here):
    result = nca("sweep", "tiny.toml", "--plugin", "blobs.py", "--jobs", "100000")
    assert (result.code, result.out) == (2, "")
    assert "'--jobs': Input should be less than or equal to 1024" in result.err
    assert not Path("sweeps").exists()


@pytest.mark.parametrize("out", ["taken", None])
def test_a_sweep_that_another_process_is_at_executes_nothing(nca, here, out):
    folder = Path(out or "sweeps/tiny-1")
    folder.mkdir(parents=True)
    base = Base((here / "tiny.toml").read_text(), "tiny", here, "tiny.toml")
    given = ("train.batch=2", "random_seed=3")
    write_asked(folder, base, [PlannedRun("", 3, given, "seed_3")] if out is None else [])
    code = "import sys; from pathlib import Path; from nca.lock import FolderLock; "
    code += f"lock = FolderLock.take(Path({str(folder)!r}), ''); print('held', flush=True); "
    (here / "blobs.py").write_text("open('executed', 'w')")
    with subprocess.Popen(
        [sys.executable, "-c", code + "sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        result = nca(*SWEEP, "--set", given[0], *(("--out", out) if out else ()))
        other.communicate("")
    assert result.code == 1
    assert "another process is at work in this folder" in result.err
    assert not (here / "executed").exists()


def test_a_sweep_that_cannot_be_planned_leaves_no_folder(nca, here):
    result = nca(*SWEEP, "--over", "task.held_out=-3", "--out", "made")
    assert result.code == 1
    assert not (here / "made").exists()
