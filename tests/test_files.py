"""A file is there whole or not at all, and a failure leaves what was there before."""

import errno
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.checkpoint.find import recipe_text
from nca.data.idx import IdxFile, RawFolder, sha256
from nca.errors import DataError, NCAError, StorageError
from nca.files import (
    holds,
    is_file,
    make_folder,
    read_bounded,
    read_text_bounded,
    unused,
    write_whole,
)
from nca.jsonl import read_lines
from nca.render.curve import save_curve
from nca.render.picture_files import read_picture_file
from nca.render.sheet import save_image
from nca.sweep.records import read_outcome, read_sweep
from nca.sweep.request import parse_request

OLD, NEW = b"old", b"the new content"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_bytes(OLD)
    return tmp_path / "results.json"


def names(folder: Path) -> list[str]:
    return os.listdir(folder)  # noqa: PTH208 - `Path.open` may be patched


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_replaced_and_nothing_else_is_left(path):
    write_whole(path, NEW)
    assert path.read_bytes() == NEW
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(path, monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, full)
        with pytest.raises(StorageError) as caught:
            write_whole(path, NEW)
    assert caught.value.what == "results.json cannot be written: No space left on device."
    assert caught.value.where == str(path)
    assert "what was there before is untouched" in caught.value.to_do
    assert path.read_bytes() == OLD
    assert names(path.parent) == [path.name]


@contextmanager
def files_of_at_most(size: int):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file")
def test_a_write_that_the_system_stops_midway_leaves_the_old_file_and_nothing_else(path):
    with files_of_at_most(len(NEW) - 1), pytest.raises(StorageError) as caught:
        write_whole(path, NEW)
    assert caught.value.what == "results.json cannot be written: File too large."
    assert path.read_bytes() == OLD
    assert names(path.parent) == [path.name]


def test_an_interruption_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, NEW)
    assert path.read_bytes() == OLD
    assert names(path.parent) == [path.name]


def test_the_content_is_on_the_disk_before_the_file_gets_its_name(path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.read_bytes()))
    write_whole(path, NEW)
    assert seen[0] == OLD


def test_a_temporary_name_cannot_be_guessed(path, monkeypatch):
    used, replace = [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda part, to: (used.append(part), replace(part, to)))
    for _ in range(2):
        write_whole(path, NEW)
    assert len({part.name for part in used}) == 2
    # a run that is resumed removes what a kill has left, by this pattern
    assert all(part.match(f".{path.name}.*.part") for part in used)
    assert all(part.parent == path.parent for part in used)  # a rename stays on one disk


@pytest.mark.parametrize("place", [".", "nowhere/a", "results.json/b"])
def test_a_place_that_takes_no_file_is_refused(path, place):
    with pytest.raises(StorageError, match="cannot be written: "):
        write_whole(path.parent / place, NEW)
    assert names(path.parent) == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match=r"Permission denied"):
        write_whole(tmp_path / "a", NEW)


def test_advice_can_be_given_by_the_caller(tmp_path):
    with pytest.raises(StorageError) as caught:
        write_whole(tmp_path / "no" / "a", NEW, to_do="make the folder")
    assert caught.value.to_do == "make the folder"


def test_a_folder_is_made_with_those_around_it_and_may_be_there(tmp_path):
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b", "the folder", "") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_refused(path):
    with pytest.raises(StorageError) as caught:
        make_folder(path / "a", "the folder of the report", "choose another one")
    assert caught.value.what == "the folder of the report cannot be made: Not a directory."
    assert (caught.value.where, caught.value.to_do) == (str(path / "a"), "choose another one")


@pytest.mark.parametrize("name", ["no", "a" * 5000, "nul\0", "results.json/no"])
def test_where_no_file_can_be_there_is_none(path, name):
    assert is_file(path)
    assert not is_file(path.parent / name)
    assert not is_file(path.parent)


PICTURE = Image.new("RGB", (3, 2), "red")


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.PNG"
    save_image(PICTURE, path)
    before = path.read_bytes()
    assert before.startswith(b"\x89PNG")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        save_image(Image.new("RGB", (9, 9)), path)
    with pytest.raises(StorageError, match="No space left"):
        save_curve([], "vote", tmp_path / "a.PNG")
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("picture", "name", "words"),
    [
        (PICTURE, "a.psd", "'.psd' names no format for writing"),  # can be read, not written
        (PICTURE, "a.nonsense", "'.nonsense' names no format for writing"),
        (PICTURE, "a", "'' names no format for writing"),
        (PICTURE.convert("RGBA"), "a.jpg", "cannot write mode RGBA as JPEG"),
    ],
)
def test_a_picture_that_has_no_such_format_is_refused(tmp_path, picture, name, words):
    with pytest.raises(NCAError) as caught:
        save_image(picture, tmp_path / name)
    assert caught.value.what == f"the picture cannot be written: {words}."
    assert names(tmp_path) == []


def test_a_curve_of_a_run_is_a_whole_png(tmp_path):
    save_curve([{"kind": "train", "iteration": 1, "loss": 0.5}], "vote", tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        picture.load()
        assert picture.size == (840, 480)


def test_a_data_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    content = bytes(torch.arange(9, dtype=torch.uint8).tolist())
    file, folder = IdxFile("digits", sha256(content)), RawFolder(tmp_path / "set" / "raw")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left") as caught:
            folder.write(file, content)
    assert caught.value.to_do.endswith("--data FOLDER")
    assert names(folder.path) == []
    folder.write(file, content)
    assert folder.read(file) == content


def test_a_name_that_is_taken_is_numbered(tmp_path):
    wanted = tmp_path / "tiger.png"
    assert unused(wanted) == wanted
    wanted.write_bytes(b"")
    (tmp_path / "tiger-2.png").mkdir()
    (tmp_path / "tiger-3.png").symlink_to("nowhere")
    assert unused(wanted) == tmp_path / "tiger-4.png"


ODD = {
    "missing": (lambda path: None, "No such file or directory"),
    "folder": (Path.mkdir, "Is a directory"),
    "pipe": (os.mkfifo, "it is no ordinary file"),
    "large": (lambda path: path.write_bytes(bytes(9)), "it has more than 8 bytes"),
    "sparse": (lambda path: path.touch() or os.truncate(path, 1 << 40), "it has more than 8 bytes"),
    "locked": (lambda path: path.touch(0), "Permission denied"),
    "loop": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes and rights of this kind")
@pytest.mark.parametrize(("make", "reason"), ODD.values(), ids=ODD)
def test_what_is_no_file_of_a_bounded_length_is_refused_in_one_sentence(tmp_path, make, reason):
    path = tmp_path / "odd"
    make(path)
    if reason == "Permission denied" and os.access(path, os.R_OK):
        pytest.skip("may read everything")
    with pytest.raises(DataError) as refused:
        read_bounded(path, 8, "the file", error=DataError)
    assert refused.value.what == f"the file cannot be read: {reason}."
    assert refused.value.where == str(path)
    assert not holds(path, bytes(8))


def test_a_file_is_read_up_to_its_bound_and_a_text_without_its_mark(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_bounded(path, 6, "the file") == b"\xef\xbb\xbfabc"
    assert read_text_bounded(path, 6, "the file") == "abc"
    assert holds(path, path.read_bytes())
    path.write_bytes(b"a\xff")
    with pytest.raises(NCAError, match="it is no text in UTF-8, from byte 1 on"):
        read_text_bounded(path, 6, "the file")
    with pytest.raises(NCAError, match="no path can be written like that"):
        read_bounded(Path("a\0b"), 6, "the file")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes of this kind")
def test_no_reader_waits_for_a_pipe(tmp_path):
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    readers = [
        lambda: recipe_text(pipe),
        lambda: list(read_lines(pipe)),
        lambda: read_picture_file(pipe),
        lambda: parse_request((), (), pipe, None),
    ]
    for read in readers:
        with pytest.raises(NCAError):
            read()
    assert read_sweep(pipe) is None
    assert read_outcome(pipe) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_as_editors_and_shells_write_it(tmp_path, encoding):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "text").write_bytes(f"{mark}grün ▲\r\n".encode(encoding))
    assert read_text_bounded(tmp_path / "text", 99, "the text") == "grün ▲\r\n"


def test_utf_16_cut_short_is_no_text(tmp_path):
    (tmp_path / "text").write_bytes("two".encode("utf-16")[:-1])
    with pytest.raises(NCAError, match="it is no text in UTF-16, from byte 6 on"):
        read_text_bounded(tmp_path / "text", 99, "the text")
