"""A folder is for one process at a time, and the next one is answered who is in it."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nca.errors import StorageError
from nca.lock import LOCK, FolderLock, folder_lock

HOLD = """
import sys
from pathlib import Path
from nca.lock import FolderLock
lock = FolderLock.take(Path(sys.argv[1]), "")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a folder until its stdin closes."""
    pytest.importorskip("fcntl")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_learns_who_holds_a_folder(tmp_path, holder):
    with pytest.raises(StorageError) as caught:
        FolderLock.take(tmp_path, "wait")
    who = rf"process {holder.pid} on {re.escape(socket.gethostname())}"
    when = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"
    said = rf"another process is at work in this folder: {who}, {when}\."
    assert re.fullmatch(said, caught.value.what)
    assert (caught.value.where, caught.value.to_do) == (str(tmp_path), "wait")


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).is_file()
    assert FolderLock.take(tmp_path, "").folder == tmp_path


def test_who_waits_gets_the_lock_when_the_other_leaves(tmp_path, holder, monkeypatch):
    def leave(_: float) -> None:  # instead of a sleep
        holder.stdin.close()
        holder.wait()

    monkeypatch.setattr("nca.lock.time.sleep", leave)
    assert FolderLock.take(tmp_path, "", patience=60).folder == tmp_path


def test_a_process_that_has_a_lock_gets_it_again(tmp_path):
    with folder_lock(tmp_path / "new", "") as lock:
        assert FolderLock.take(tmp_path / "new", "") is lock


def test_a_folder_that_was_made_anew_has_a_lock_of_its_own(tmp_path):
    first = FolderLock.take(tmp_path, "")
    (tmp_path / LOCK).unlink()
    assert FolderLock.take(tmp_path, "") is not first


def test_what_somebody_else_has_written_there_is_shown_without_control_characters(tmp_path, holder):
    (tmp_path / LOCK).write_text('{"process": 7, "host": "a\\u001b[2Jb", "since": "now"}')
    with pytest.raises(StorageError, match=r": process 7 on a\[2Jb, since now\."):
        FolderLock.take(tmp_path, "")
    (tmp_path / LOCK).write_text("[")
    with pytest.raises(StorageError, match="which one is not known"):
        FolderLock.take(tmp_path, "")


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("kept")
    (tmp_path / LOCK).symlink_to("mine")
    with pytest.raises(StorageError, match="cannot be locked"):
        FolderLock.take(tmp_path, "")
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.skipif(os.name == "nt", reason="of another system")
def test_a_file_system_without_locks_locks_nothing(tmp_path, monkeypatch):
    import errno

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("nca.lock.fcntl.flock", unknown)
    assert FolderLock.take(Path(tmp_path), "")


def test_a_folder_goes_with_its_lock_and_nobody_is_left_in_it(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    folder = tmp_path / "run"
    folder.mkdir()
    lock = FolderLock.take(folder, "")
    (folder / "big").write_text("x")
    seen = []
    release = lock.release

    def watched() -> None:
        seen.append(sorted(path.name for path in tmp_path.iterdir()))
        assert not folder.exists()  # when the lock is free, the folder is not there
        release()

    monkeypatch.setattr(lock, "release", watched)
    lock.discard()
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_on_a_folder_that_was_removed_meanwhile_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    folder = tmp_path / "run"
    folder.mkdir()

    def removed(handle: int) -> bool:
        folder.rename(tmp_path / "away")
        return True

    monkeypatch.setattr("nca.lock._locked", removed)
    with pytest.raises(StorageError, match="has just removed the folder"):
        FolderLock.take(folder, "")


def test_a_folder_in_which_something_lies_is_kept(tmp_path):
    lock = FolderLock.take(tmp_path, "")
    (tmp_path / "x").write_text("")
    lock.discard_if_empty()
    assert (tmp_path / "x").is_file()
