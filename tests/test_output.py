"""Output never lies over somebody's file, and never over what a command reads."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.checkpoint.file import Checkpoint
from nca.cli.output import (
    BENCHMARK,
    CHECKPOINT,
    EXAMINATION,
    GENERATOR,
    ISLANDS,
    ONNX,
    PAGE,
    OutputKind,
    output_path,
    picture_kind,
)
from nca.errors import StorageError
from nca.files import safe_name

ANY = OutputKind("anything", lambda path: True)
NONE = OutputKind("a picture", lambda path: False)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(path: Path, content: str) -> None:
    path.write_text(content)


def test_output_without_a_name_takes_one_that_is_free(here):
    Path("a.png").write_text("mine")
    output = output_path(None, "a.png", ANY)
    assert (output.path, output.given, output.replaces) == (Path("a-2.png"), False, False)


def test_a_name_that_is_taken_meanwhile_is_not_replaced(here):
    output = output_path(None, "a.png", ANY)

    def write(path: Path) -> int:
        Path("a.png").write_text("of another process")
        path.write_text("ours")
        return 7

    assert output.write(write) == (Path("a-2.png"), 7)
    assert Path("a.png").read_text() == "of another process"
    assert sorted(path.name for path in here.iterdir()) == ["a-2.png", "a.png"]
    assert Path("a-2.png").read_text() == "ours"


def test_a_folder_that_is_taken_meanwhile_is_not_used():
    output = output_path(None, "report", ISLANDS)
    Path("report").mkdir()
    assert output.make_folder() == Path("report-2")


def test_what_cannot_be_written_leaves_nothing_and_is_called_by_its_name(here):
    def full(path: Path) -> None:
        path.touch()
        raise StorageError(f"{path.name} cannot be written.", where=str(path), to_do="free some")

    with pytest.raises(StorageError) as caught:
        output_path(None, "a.png", ANY).write(full)
    assert (caught.value.what, caught.value.where) == ("a.png cannot be written.", "a.png")
    assert not list(here.iterdir())


@pytest.mark.parametrize("link", ["same", "spelt", "symbolic", "hard"])
def test_what_is_read_is_not_replaced(here, link):
    source = Path("source.png")
    source.write_bytes(b"published")
    out = {"same": source, "spelt": here / "x" / ".." / "source.png"}.get(link, Path("out.png"))
    (here / "x").mkdir()
    if link == "symbolic":
        out.symlink_to(source)
    if link == "hard":
        os.link(source, out)
    with pytest.raises(StorageError, match="it is what is read, and would be replaced"):
        output_path(out, "", ANY, [Path("missing"), source])


def test_what_is_there_is_replaced_only_if_it_is_of_the_kind():
    out = Path("thesis.txt")
    out.write_text("mine")
    assert output_path(out, "", ANY).replaces
    with pytest.raises(StorageError) as caught:
        output_path(out, "", NONE)
    assert caught.value.what == (
        "nothing is written to thesis.txt: what is there is not a picture, and stays."
    )


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("a" * 300, "File name too long"),
        ("no/a.png", "there is no folder no"),
        ("file/a.png", "Not a directory"),
        ("folder", "it is a folder"),
        ("nul\0.png", "no path can be written like that"),
        ("pipe", "what is there is not a picture that ends in .png, and stays"),
    ],
)
def test_a_place_that_takes_no_file_is_refused_before_the_work(out, said):
    Path("file").touch()
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with pytest.raises(StorageError, match=said):
        output_path(Path(out), "", picture_kind("a.png") if out == "pipe" else NONE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused_before_the_work(here):
    here.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        output_path(None, "a.png", ANY)


def test_a_report_goes_into_an_empty_folder_or_one_of_its_own():
    out = Path("report")
    assert not output_path(out, "", ISLANDS).replaces
    out.mkdir()
    assert not output_path(out, "", ISLANDS).replaces
    (out / "notes.txt").touch()
    with pytest.raises(StorageError, match="not a report of nca islands"):
        output_path(out, "", ISLANDS)
    (out / "islands.json").write_text(json.dumps({"verdict": "", "answers": {}}))
    assert output_path(out, "", ISLANDS).replaces
    with pytest.raises(StorageError, match="it is a file"):
        output_path(out / "notes.txt", "", ISLANDS)


ANSWER = json.dumps({"of": "0", "question": "noise", "random_seed": 3, "rows": []})
WRITERS = {
    "a.png": (picture_kind("a.png"), lambda path: Image.new("RGB", (2, 2)).save(path)),
    "a.jpg": (picture_kind("b.JPEG"), lambda path: Image.new("RGB", (2, 2)).save(path)),
    "a.gif": (picture_kind("a.gif"), lambda path: Image.new("RGB", (2, 2)).save(path)),
    "a.webp": (picture_kind("a.webp"), lambda path: Image.new("RGB", (2, 2)).save(path)),
    "a.html": (PAGE, lambda path: touch(path, f"<!doctype html><head>{GENERATOR}</head>")),
    "a.safetensors": (
        CHECKPOINT,
        lambda path: Checkpoint("a", "", tensors={"automaton.w": torch.zeros(2)}).write(path),
    ),
    "a.json": (
        BENCHMARK,
        lambda path: touch(path, '{"format": 1, "machine": {}, "ceiling": {}, "cases": []}'),
    ),
    "a": (
        EXAMINATION,
        lambda path: (path.mkdir(), touch(path / "examination.jsonl", f"{ANSWER}\n{ANSWER}")),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_kind_recognises_what_its_command_writes_and_nothing_else(name):
    kind, write = WRITERS[name]
    write(Path(name))
    assert kind.recognises(Path(name))
    for other, (_, write_other) in WRITERS.items():
        if other != name:
            write_other(Path("other") if other == "a" else Path(f"other-{other}"))
            assert not kind.recognises(Path("other") if other == "a" else Path(f"other-{other}"))
    for content in (b"", b"{", b"mine", b"\xff" * 16, b"\0" * 16):
        Path("mine").write_bytes(content)
        assert not kind.recognises(Path("mine"))


def test_a_step_in_onnx_is_recognised():
    onnx = pytest.importorskip("onnx")
    model = onnx.ModelProto(ir_version=8, producer_name="nca")
    Path("a.onnx").write_bytes(model.SerializeToString())
    assert ONNX.recognises(Path("a.onnx"))
    model.producer_name = "pytorch"
    Path("a.onnx").write_bytes(model.SerializeToString())
    assert not ONNX.recognises(Path("a.onnx"))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("growing", "growing"),
        ("Größe 2, v1.5", "Größe 2, v1.5"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Users\\a", "C__Users_a"),
        (".bashrc", "bashrc"),
        ("--help", "help"),
        ("", "unnamed"),
        ("...", "unnamed"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("Com1", "_Com1"),
        ("console", "console"),
        ("a\nb\x1b[2J\0", "a_b_[2J_"),
        ("\ud800", "_"),
        ("end. ", "end"),
    ],
)
def test_a_name_of_somebody_else_becomes_a_name_for_a_file(name, safe):
    assert safe_name(name) == safe


@pytest.mark.parametrize("letter", ["a", "ö", "\N{LIZARD}"])
def test_a_long_name_is_cut_so_that_every_system_takes_it(letter):
    path = Path(f"{safe_name(letter * 5000)}-10.safetensors")
    path.touch()
    assert len(path.name.encode()) < 230
