"""TensorBoard gets the records that the log gets, and no fault of it stops training."""

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from observed import Observed
from tiny import PLUGIN, RECIPE

from nca.progress import SILENT
from nca.recipe.recipe import Recipe
from nca.registry.discovery import load_file
from nca.training.loop import train
from nca.training.run import Run
from nca.training.tensorboard import TensorBoardLog

MODULE = "torch.utils.tensorboard"
TRAIN = {
    "iteration": 10,
    "kind": "train",
    "loss": 0.5,
    "learning rate": 0.25,
    "parts": 3,
    "why": "so",
}
HELD_OUT = {"iteration": 20, "kind": "held_out", "vote": 0.75}
SCALARS = [
    ("train/loss", 0.5, 10),
    ("train/learning_rate", 0.25, 10),
    ("held_out/vote", 0.75, 20),
]


class Writer:
    """Records what `SummaryWriter` would write; a second scalar fails if that is wished."""

    scalars: list
    closed: bool
    fails_at: str

    def __init__(self, folder: str, purge_step: int) -> None:
        if self.fails_at == "open":
            raise FileExistsError(17, "File exists", folder)
        self.folder = folder

    def add_scalar(self, name: str, value: float, iteration: int) -> None:
        if self.fails_at == "add" and self.scalars:
            raise OSError(28, "No space left on device")
        self.scalars.append((name, value, iteration))

    def close(self) -> None:
        if self.fails_at == "close":
            raise OSError(28, "No space left on device")
        type(self).closed = True


@pytest.fixture
def writer(monkeypatch) -> type[Writer]:
    """Put a module in TensorBoard's place, and return the class of its writer."""

    class Fresh(Writer):
        scalars, closed, fails_at = [], False, ""

    module = ModuleType(MODULE)
    module.SummaryWriter = Fresh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    return Fresh


def trained(folder: Path, curves: TensorBoardLog) -> Run:
    """Train the tiny recipe, its records going where they are found to."""
    (folder / "blobs.py").write_text(PLUGIN)
    load_file(folder / "blobs.py")
    recipe = Recipe.parse(RECIPE, name="tiny", folder=folder)
    run = Run.start(recipe, folder / "run", torch.device("cpu"), None, SILENT)
    train(run, curves)
    return run


def test_every_number_with_a_fraction_becomes_a_scalar_under_its_kind(tmp_path, writer):
    observed = Observed()
    board = TensorBoardLog(tmp_path, observed)
    for record in (TRAIN, HELD_OUT):
        board.record(record)
    assert writer.scalars == SCALARS
    assert not writer.closed
    board.close()
    assert writer.closed
    assert not observed.notes


@pytest.mark.parametrize(
    ("fails_at", "kept", "said"),
    [
        ("open", 0, "FileExistsError: [Errno 17] File exists: 'FOLDER'"),
        ("add", 1, "OSError: [Errno 28] No space left on device"),
        ("close", 3, "OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_writer_that_fails_is_noticed_once_and_dropped(tmp_path, writer, fails_at, kept, said):
    writer.fails_at = fails_at
    observed = Observed()
    board = TensorBoardLog(tmp_path, observed)
    for record in (TRAIN, HELD_OUT):
        board.record(record)
    board.close()
    board.record(TRAIN)
    board.close()
    words = said.replace("FOLDER", str(tmp_path / "tensorboard"))
    assert observed.notes == [f"TensorBoard gets no more records: {words}"]
    assert writer.scalars == SCALARS[:kept]


@pytest.mark.parametrize("fails_at", ["open", "add", "close"])
def test_training_goes_on_without_a_board_that_fails(tmp_path, writer, fails_at):
    writer.fails_at = fails_at
    observed = Observed()
    board = TensorBoardLog(tmp_path / "run", observed)
    run = trained(tmp_path, board)
    board.close()
    assert run.iteration == 4
    assert len(observed.notes) == 1
    assert [row["iteration"] for row in run.log.records() if row["kind"] == "train"] == [2, 4]


class Raising:
    """An importer whose module raises while it is imported."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            raise self.fault


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ImportError("TensorBoard logging requires TensorBoard version 1.15 or above"), []),
        (ModuleNotFoundError("No module named 'tensorboard'"), []),
        (
            TypeError("Descriptors cannot be created directly"),
            ["TensorBoard gets no more records: TypeError: Descriptors cannot be created directly"],
        ),
    ],
)
def test_a_missing_package_is_no_news_and_a_broken_one_is(tmp_path, monkeypatch, fault, said):
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Raising(fault), *sys.meta_path])
    observed = Observed()
    board = TensorBoardLog(tmp_path, observed)
    board.record(TRAIN)
    board.close()
    assert observed.notes == said
    assert not list(tmp_path.iterdir())


needs_tensorboard = pytest.mark.skipif(
    not find_spec("tensorboard"), reason="tensorboard is not installed"
)


@needs_tensorboard
def test_tensorboard_itself_reads_what_was_recorded(tmp_path):
    observed = Observed()
    board = TensorBoardLog(tmp_path, observed)
    for record in (TRAIN, HELD_OUT):
        board.record(record)
    board.close()
    assert not observed.notes
    module = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = module.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [
        (name, event.value, event.step)
        for name in events.Tags()["scalars"]
        for event in events.Scalars(name)
    ]
    assert sorted(found) == sorted(SCALARS)


@needs_tensorboard
def test_a_file_where_its_folder_should_be_is_noticed_and_left_alone(tmp_path):
    (tmp_path / "tensorboard").write_text("mine")
    observed = Observed()
    board = TensorBoardLog(tmp_path, observed)
    board.record(TRAIN)
    board.close()
    (said,) = observed.notes
    assert said.startswith("TensorBoard gets no more records: FileExistsError: ")
    assert (tmp_path / "tensorboard").read_text() == "mine"


@needs_tensorboard
def test_tensorboard_shows_each_step_once_after_two_kills(tmp_path):
    observed = Observed()
    for value, resumed_at, steps in ((1.0, 0, (10, 20, 30)), (2.0, 10, (20, 30)), (3.0, 20, (30,))):
        board = TensorBoardLog(tmp_path, observed, resumed_at)
        for step in steps:  # 30 is reached by each, and saved by none but the last
            board.record({"iteration": step, "kind": "train", "loss": value})
        if value == 1.0:
            board.record({"iteration": 30, "kind": "held_out", "vote": 0.5})
        board.close()
    assert not observed.notes
    module = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = module.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert found == [(10, 1.0), (20, 2.0), (30, 3.0)]
    assert not events.Scalars("held_out/vote")
