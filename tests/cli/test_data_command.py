"""`nca data` prints results on stdout and everything else on stderr."""

import re
import struct
from hashlib import sha256
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from nca.cli.data import app
from nca.data.dataset import (
    Dataset,
    IdxDataset,
    IdxFile,
    LabelledImages,
    Source,
    SplitFiles,
    UnavailableError,
)
from nca.errors import DataError, RegistryError
from nca.progress import SILENT
from nca.registry.registry import register, registry

IMAGES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 1, 1, 2) + b"\x07\x08"
LABELS = bytes([0, 0, 8, 1]) + struct.pack(">I", 1) + b"\x01"
BYTES = {
    "train-images": IMAGES,
    "train-labels": LABELS,
    "t10k-images": IMAGES,
    "t10k-labels": LABELS,
}


class Shop(Source):
    label = "shop"
    closed = False

    def serve(self, intake):
        if self.closed:
            raise UnavailableError("closed")
        for file in intake.left:
            intake.progress.begin(file.name, 2, unit="bytes")
            intake.progress.advance(1)
            intake.keep(file, BYTES[file.name])


def pair(split: str) -> SplitFiles:
    names = f"{split}-images", f"{split}-labels"
    return SplitFiles(*(IdxFile(name, sha256(BYTES[name]).hexdigest()) for name in names))


class Dots(IdxDataset):
    folder = "Dots"
    classes = ("none", "one")
    train = pair("train")
    test = pair("t10k")
    sources = (Shop(),)


class Made(Dataset):
    classes = ("only",)
    asked: list[str] = []  # noqa: RUF012

    def load(self, split, folder=None, progress=SILENT):
        self.asked.append(split)
        one = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
        return LabelledImages(one, torch.zeros(1, dtype=torch.int64))


@pytest.fixture(autouse=True)
def raw(tmp_path, monkeypatch):
    """Three data sets of our own, and an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.delenv("NCA_DATA", raising=False)
    monkeypatch.setattr(Made, "asked", [])
    with registry.preserved():
        for name in registry.names("dataset"):
            del registry._entries["dataset", name]
        register.dataset("dots")(Dots)
        register.dataset("made")(Made)
        yield tmp_path / ".cache/nca/Dots/raw"


def run(*words: str):
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_list_says_what_there_is_and_what_is_not_here():
    registry.promise("dataset", "gone", "no_such_module:Gone", "a test")
    result = run("list")
    assert result.stdout == (
        "dots  2 classes  not here\n"
        "      none, one\n"
        "gone  broken: the dataset 'gone' cannot be loaded: ModuleNotFoundError: "
        "No module named 'no_such_module'\n"
        "made  1 class  kept by its plugin\n"
        "      only\n"
    )
    assert (result.stderr, result.exit_code) == ("", 0)


def test_list_says_where_a_data_set_lies_and_how_much_of_it(raw: Path):
    run("fetch", "dots")
    assert run("list").stdout.startswith("dots  2 classes  ~/.cache/nca/Dots/raw\n")
    (raw / "train-images").unlink()
    assert run("list").stdout.startswith("dots  2 classes  3 of 4 files in ~/.cache/nca/Dots/raw\n")


def test_fetch_prints_the_folder_and_reports_the_source_on_stderr(raw: Path):
    result = run("fetch", "dots")
    assert result.stdout == f"{raw}\n"
    assert result.stderr == "Dots: 4 files from shop into ~/.cache/nca/Dots/raw\n"
    again = run("fetch", "dots")
    assert again.stdout == f"{raw}\n"
    assert again.stderr == "Dots: 4 files already in ~/.cache/nca/Dots/raw\n"


def test_fetch_fills_the_folder_that_is_given(tmp_path: Path):
    result = run("fetch", "dots", "--data", str(tmp_path / "stick"))
    assert result.stdout == f"{tmp_path / 'stick/Dots/raw'}\n"
    assert {path.name: path.read_bytes() for path in Path(result.stdout.strip()).iterdir()} == BYTES


def test_fetch_loads_a_data_set_that_keeps_its_own_files():
    assert run("fetch", "made").exit_code == 0
    assert Made.asked == ["train", "test"]


def test_fetch_leaves_its_faults_to_the_main_command(monkeypatch):
    monkeypatch.setattr(Shop, "closed", True)
    result = run("fetch", "dots")
    assert isinstance(result.exception, DataError)
    assert "- go online and run `nca data fetch dots`" in str(result.exception)
    unknown = run("fetch", "dotz").exception
    assert isinstance(unknown, RegistryError)
    assert unknown.what == "there is no dataset named 'dotz'."
    assert unknown.to_do.startswith("did you mean `dots`? ")


def test_check_prints_ok_and_missing_and_exits_0(raw: Path):
    run("fetch", "dots")
    (raw / "t10k-labels").unlink()
    result = run("check", "dots")
    assert result.stdout == (
        "dots  ok       train-images             ~/.cache/nca/Dots/raw\n"
        "dots  ok       train-labels             ~/.cache/nca/Dots/raw\n"
        "dots  ok       t10k-images              ~/.cache/nca/Dots/raw\n"
        "dots  missing  t10k-labels\n"
        "dots: looked into ~/.cache/nca/Dots/raw, ~/.cache/nca/Dots, ~/.cache/nca/raw, "
        "~/.cache/nca\n"
    )
    assert (result.stderr, result.exit_code) == ("", 0)


def test_check_names_a_folder_whose_files_are_of_another_data_set(tmp_path: Path):
    for name in BYTES:
        (tmp_path / name).write_bytes(b"clothes")
    result = run("check", "dots", "--data", str(tmp_path))
    assert result.stdout.count("missing") == 4
    assert result.stdout.endswith("dots: the files in ~ have other bytes\n")
    assert result.exit_code == 0


def test_check_of_everything_exits_1_for_one_wrong_byte(raw: Path):
    run("fetch", "dots")
    (raw / "t10k-labels").write_bytes(LABELS[:-1] + b"\x00")
    result = run("check")
    last = "dots  wrong    t10k-labels              ~/.cache/nca/Dots/raw"
    assert result.stdout.splitlines()[3] == last
    assert result.stderr.startswith("t10k-labels is not the file it claims to be.\n  where:  ")
    assert result.stderr.endswith("made keeps no files that could be checked\n")
    assert result.exit_code == 1


def test_check_of_a_folder_looks_nowhere_else(tmp_path: Path):
    run("fetch", "dots")
    result = run("check", "dots", "--data", str(tmp_path / "stick"))
    assert result.stdout.count("missing") == 4
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("list", "nca data list"),
        ("fetch", "nca data fetch fashion_mnist"),
        ("check", "nca data check --data ~/datasets"),
    ],
)
def test_help_gives_one_real_example(command: str, example: str):
    main = typer.Typer()
    main.add_typer(app, name="data")
    shown = CliRunner().invoke(main, ["data", command, "--help"], env={"COLUMNS": "80"}).stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert re.findall(r"Example: (.*?) *\n", plain) == [example]
    assert max(map(len, plain.splitlines())) <= 80
