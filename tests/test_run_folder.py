"""A run's folder is made and locked as one act, and nothing of anybody else in it is touched."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from processes import Commands
from training_case import begun

from nca.checkpoint.file import Checkpoint
from nca.cli import main
from nca.errors import CheckpointError, NCAError, StorageError
from nca.lock import LOCK, FolderLock
from nca.progress import SILENT
from nca.training.loop import train
from nca.training.run import Run
from nca.training.run_folder import RUNS, create_run_folder, enter_run_folder

CPU = torch.device("cpu")
PART = "0123456789abcdef"

HALTING = '''
import os, signal, torch
from torch import nn
from nca.cli import main
from nca import UpdateRule, register

@register.rule("halting")
class Halting(UpdateRule):
    """Halts while it is built."""
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.1))
        if os.environ.pop("HALT", ""):
            os.kill(os.getpid(), signal.SIGSTOP)
    def forward(self, view):
        return view.own * self.gain
'''
RECIPE = """
format = 1
plugins = ["halting.py"]
[grid]
size = [12, 12]
[[levels]]
name = "body"
channels = 4
rules = [{ name = "halting" }]
[rollout]
steps = 1
[task]
name = "image_growth"
target = "lizard"
side = 8
trials = 2
[train]
batch = 1
iterations = 1
learning_rate = 1e-3
[evaluate]
steps = [1]
"""


def command(folder: Path, **environment: str) -> Commands:
    return Commands.alone(folder, "run", "race.toml", "--device", "cpu", **environment)


def halted(process: int | None) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
def test_two_runs_that_begin_at_once_get_two_folders(tmp_path):
    (tmp_path / "halting.py").write_text(HALTING)
    (tmp_path / "race.toml").write_text(RECIPE)
    first = command(tmp_path, HALT="1")
    first.wait_until(lambda: halted(first.processes[0].pid))  # while it builds
    codes, out, _ = command(tmp_path).end()
    assert (codes, out.splitlines()[-1]) == ([0], "runs/race-1/best.safetensors")
    first.send(signal.SIGCONT)
    codes, out, _ = first.end()
    assert (codes, out.splitlines()[-1]) == ([0], "runs/race-2/best.safetensors")


def test_a_folder_of_somebody_else_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RUNS.mkdir()
    (RUNS / "tiny-1").touch()
    (RUNS / "tiny-2").mkdir()
    assert create_run_folder(None, "tiny").folder == RUNS / "tiny-3"
    assert create_run_folder(None, "../up").folder == RUNS / "_up-1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


@pytest.fixture
def going_on(tmp_path) -> Iterator[tuple[Path, int]]:
    """A run's folder that another process has locked, and the number of that process."""
    pytest.importorskip("fcntl")
    run = begun(tmp_path)
    run.lock = None  # as if this process had ended
    code = (
        "import sys; from pathlib import Path; from nca.lock import FolderLock; "
        "lock = FolderLock.take(Path(sys.argv[1]), ''); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(run.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "\n"
        yield run.folder, other.pid
        other.kill()


def test_a_run_that_is_going_on_is_not_resumed_and_not_touched(going_on):
    folder, other = going_on
    (folder / f".last.safetensors.{PART}.part").touch()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StorageError, match=f"another process .* process {other} on"):
        Run.resume(folder, CPU, None, SILENT)
    with pytest.raises(StorageError, match=f"process {other} on"):
        create_run_folder(folder, "tiny")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_no_plugin_of_a_run_that_is_going_on_is_executed(going_on, tmp_path, monkeypatch, capsys):
    folder, other = going_on
    touched, own = tmp_path / "touched", tmp_path / "own.py"
    own.write_text(f"open({str(touched)!r}, 'w').close()")
    monkeypatch.setattr("nca.checkpoint.read.load_copies", lambda *_, **__: touched.touch())
    with pytest.raises(SystemExit):
        main(["run", "--resume", str(folder), "--plugin", str(own), "--device", "cpu"])
    assert f"process {other} on" in capsys.readouterr().err
    assert not touched.exists()


def test_only_what_a_run_has_left_half_written_is_removed(tmp_path):
    folder = begun(tmp_path).folder
    ours = [f".{name}.{PART}.part" for name in ("last.safetensors", "curve.png", "recipe.toml")]
    theirs = [
        "film.part",
        ".film.part",
        f".film.{PART}.part",
        ".last.safetensors.part",
        f".last.safetensors.{PART.upper()}.part",
    ]
    for name in [*ours, *theirs]:
        (folder / name).touch()
    (folder / f".best.safetensors.{PART}.part").mkdir()
    Run.resume(folder, CPU, None, SILENT)
    assert not [name for name in ours if (folder / name).exists()]
    assert all((folder / name).exists() for name in theirs)


def test_a_folder_that_is_no_run_is_left_as_it_is(tmp_path):
    (tmp_path / f".last.safetensors.{PART}.part").touch()
    (tmp_path / "thesis.txt").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match="there is no such run"):
        enter_run_folder(tmp_path)
    for path in (tmp_path / "no", tmp_path / "thesis.txt", tmp_path / ("a" * 300)):
        with pytest.raises(CheckpointError, match="there is no such run"):
            enter_run_folder(path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_that_is_damaged_keeps_its_leftovers(tmp_path):
    folder = begun(tmp_path).folder
    (folder / f".best.safetensors.{PART}.part").touch()
    (folder / "last.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="damaged"):
        Run.resume(folder, CPU, None, SILENT)
    assert (folder / f".best.safetensors.{PART}.part").exists()


@pytest.mark.parametrize("name", ["recipe.toml", "metrics.jsonl", "states.png", "tensorboard"])
def test_a_given_folder_with_files_that_a_run_would_replace_is_refused(tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(NCAError, match=f"the run would replace: {name}"):
        create_run_folder(folder, "tiny")
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_given_folder_may_be_there_and_so_may_a_run_that_never_saved(tmp_path):
    (tmp_path / "notes.txt").touch()
    create_run_folder(tmp_path, "tiny")
    (tmp_path / "recipe.toml").touch()
    create_run_folder(tmp_path, "tiny")
    (tmp_path / "last.safetensors").touch()
    with pytest.raises(NCAError, match="already holds a run"):
        create_run_folder(tmp_path, "tiny")


def test_where_building_fails_no_folder_is_made(tmp_path):
    run = begun(tmp_path)
    shutil.rmtree(run.folder)
    run.task.prepare = None
    with pytest.raises(NCAError):
        Run.start(run.recipe, tmp_path / ("a" * 300), CPU, None, SILENT)
    assert not list(tmp_path.iterdir())


class TestTrainingThatDiverged:
    def test_never_replaces_a_checkpoint_by_weights_that_are_not_finite(self, tmp_path):
        run = begun(tmp_path, "train.iterations=40", "train.save_every=5")
        step, count = run.optimiser.step, iter(range(1, 41))

        def spoil() -> None:
            step()
            if next(count) == 20:  # the loss of this iteration was finite, what it left is not
                next(iter(run.modules.parameters())).data.fill_(float("nan"))

        run.optimiser.step = spoil
        with pytest.raises(NCAError) as caught:
            train(run)
        (name,) = (name for name, _ in run.modules.named_parameters())
        assert caught.value.what == f"weights, or their means, are not finite: {name}."
        assert caught.value.where == "after iteration 20"
        assert caught.value.to_do.endswith("last.safetensors is from before, iteration 15")
        held = Checkpoint.read(run.folder / "last.safetensors")
        assert held.iteration == 15
        assert held.tensors[name].isfinite().all()

    def test_is_said_truly_where_nothing_is_saved(self, tmp_path):
        run = begun(tmp_path)
        run.saved = None
        assert run.to_return_to == "nothing is saved yet"

    def test_keeps_the_best_weights(self, tmp_path):
        run = begun(tmp_path)
        run.save_best({})
        before = (run.folder / "best.safetensors").read_bytes()
        next(iter(run.modules.parameters())).data.fill_(float("inf"))
        with pytest.raises(NCAError, match="are not finite"):
            run.save_best({})
        assert (run.folder / "best.safetensors").read_bytes() == before


def test_who_reads_a_run_needs_no_lock(tmp_path):
    run = begun(tmp_path)
    assert FolderLock.take(run.folder, "") is run.lock
    assert Checkpoint.read(run.folder / "last.safetensors").iteration == 0
    assert (run.folder / LOCK).is_file()


def test_a_run_that_is_closed_leaves_its_folder_to_others(tmp_path):
    run = begun(tmp_path)
    assert run.lock is not None
    assert run.lock.release.alive
    run.close()
    assert not run.lock.release.alive
