"""Where a command writes to: never over somebody's file, and never over what it reads.

Output without a name of its own takes one that is free. What a person names may be there already
if it is of the kind that the command writes, by its content; then it is replaced, and that is said.
Both are asked before the work is done.
"""

import json
import os
import secrets
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nca.errors import StorageError
from nca.files import check_place, give_free_name, make_folder, safe_name, unused
from nca.lock import LOCK

Result = TypeVar("Result")

OUT = "name another one: --out"
HEAD = 4096
"""Bytes at the beginning of a file by which it is recognised."""
LINES = 100
"""Lines of a file by which it is recognised, where a kill has cut some short."""
LONGEST = 100_000_000
"""Bytes of a file of JSON that is read to recognise it, at most."""


@dataclass(frozen=True)
class OutputKind:
    """A kind of file or folder that a command writes.

    Attributes:
        name: What it is called in errors, with its article.
        recognises: Whether something that is there is of this kind.
        folder: Whether it is a folder.
    """

    name: str
    recognises: Callable[[Path], bool]
    folder: bool = False


@dataclass(frozen=True)
class Output:
    """The place of a result.

    Attributes:
        path: Where to.
        given: Whether a person has named it; else nothing that is there may be replaced.
        replaces: Whether something is there that will be replaced.
    """

    path: Path
    given: bool
    replaces: bool

    def write(self, write: Callable[[Path], Result]) -> tuple[Path, Result]:
        """Write the file; what has no name of its own takes one that is free at the end.

        Args:
            write: Writes the file whose path it gets, whole or not at all.

        Returns:
            Where it lies, and what `write` has returned.

        Raises:
            StorageError: It cannot be written.
        """
        if self.given:
            return self.path, write(self.path)
        stem, ending = self.path.stem[:50], self.path.suffix
        part = self.path.with_name(f".{stem}.{secrets.token_hex(8)}{ending}")
        try:
            result = write(part)
            return give_free_name(part, self.path), result
        except StorageError as fault:
            what = fault.what.replace(part.name, self.path.name)
            raise StorageError(what, where=str(self.path), to_do=fault.to_do) from fault
        finally:
            part.unlink(missing_ok=True)

    def make_folder(self) -> Path:
        """Make the folder, and return it; without a name of its own it is a new one.

        Raises:
            StorageError: It cannot be made.
        """
        what, to_do = "the folder", f"{OUT} FOLDER"
        if self.given:
            return make_folder(self.path, what, to_do)
        make_folder(self.path.parent, what, to_do)
        while True:
            free = unused(self.path)
            with suppress(FileExistsError):
                free.mkdir()
                return free


def output_path(
    given: Path | None, default: str, kind: OutputKind, inputs: Iterable[Path] = ()
) -> Output:
    """Choose where to write, before there is anything to write.

    Args:
        given: What a person has named, or None.
        default: The name of the output else, in the working folder; it may come from a checkpoint.
        kind: What is to be written.
        inputs: What the command reads.

    Raises:
        StorageError: Nothing can be written there, or something else is there.
    """
    path = unused(Path(safe_name(default))) if given is None else given
    to_do = f"{OUT} {'FOLDER' if kind.folder else 'FILE'}"
    check_place(path, kind.name, to_do)
    if not kind.folder and not path.absolute().parent.is_dir():
        raise _refusal(path, f"there is no folder {path.parent}", to_do)
    if given is None or not os.path.lexists(path):
        return Output(path, given is not None, replaces=False)
    if any(_same(path, each) for each in inputs):
        raise _refusal(path, "it is what is read, and would be replaced", to_do)
    if path.is_dir() != kind.folder:
        raise _refusal(path, f"it is a {'folder' if path.is_dir() else 'file'}", to_do)
    if kind.folder and all(each.name == LOCK for each in path.iterdir()):
        return Output(path, given=True, replaces=False)
    if not kind.recognises(path):
        raise _refusal(path, f"what is there is not {kind.name}, and stays", to_do)
    return Output(path, given=True, replaces=True)


def picture_kind(name: str) -> OutputKind:
    """Return the kind of a picture or film, of the format that the ending of its name says."""
    ending = Path(name).suffix.lower()
    marks = MAGIC.get(ending, ())

    def recognises(path: Path) -> bool:
        head = _head(path)
        return any(head[at : at + len(mark)] == mark for at, mark in marks)

    return OutputKind(f"a picture that ends in {ending or 'nothing'}", recognises)


def folder_kind(name: str, file: str, keys: Iterable[str]) -> OutputKind:
    """Return the kind of a report's folder, which holds a file of JSON with some keys.

    Args:
        name: What it is called, with its article.
        file: The name of the file; it may hold an object on each line.
        keys: All of them are in it.
    """
    wanted = frozenset(keys)
    return OutputKind(name, lambda path: wanted <= _keys(path / file), folder=True)


MAGIC: dict[str, tuple[tuple[int, bytes], ...]] = {
    ".png": ((0, b"\x89PNG\r\n\x1a\n"),),
    ".apng": ((0, b"\x89PNG\r\n\x1a\n"),),
    ".gif": ((0, b"GIF87a"), (0, b"GIF89a")),
    ".webp": ((8, b"WEBP"),),
    ".mp4": ((4, b"ftyp"),),
    ".jpg": ((0, b"\xff\xd8\xff"),),
    ".jpeg": ((0, b"\xff\xd8\xff"),),
    ".bmp": ((0, b"BM"),),
    ".tif": ((0, b"II*\0"), (0, b"MM\0*")),
    ".tiff": ((0, b"II*\0"), (0, b"MM\0*")),
}
"""By the ending: where in the file which bytes stand."""

GENERATOR = '<meta name="generator" content="nca export">'
PAGE = OutputKind("a page of nca export", lambda path: GENERATOR.encode() in _head(path))
ONNX = OutputKind("a step of nca export", lambda path: b"\x12\x03nca" in _head(path)[:64])
MODULE = OutputKind(
    "a module of nca export",
    lambda path: b"automaton, written by nca" in _head(path / "automaton.py")[:99],
    folder=True,
)
PROGRAM = OutputKind(
    "a C program of nca export",
    lambda path: b"/* A cellular automaton, written by nca" in _head(path)[:99],
)
CHECKPOINT = OutputKind("a checkpoint of nca", lambda path: "nca" in _metadata(path))
BENCHMARK = OutputKind(
    "JSON of nca bench", lambda path: {"format", "machine", "ceiling", "cases"} <= _keys(path)
)
ISLANDS = folder_kind("a report of nca islands", "islands.json", ("verdict", "answers"))
EXAMINATION = folder_kind(
    "a report of nca examine", "examination.jsonl", ("of", "question", "random_seed", "rows")
)


SWEEP = folder_kind("a sweep of nca", "sweep.json", ("format", "name", "recipe", "runs"))


def _refusal(path: Path, why: str, to_do: str) -> StorageError:
    return StorageError(
        f"nothing is written to {path.name or path}: {why}.", where=str(path), to_do=to_do
    )


def _same(path: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, by links too."""
    with suppress(OSError, ValueError):
        return path.samefile(other)
    return False


def _head(path: Path, count: int = HEAD) -> bytes:
    """Return the first bytes of an ordinary file; none of anything else."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(count)
    return b""


def _keys(path: Path) -> frozenset[str]:
    """Return the keys of the first object in a file of JSON, or of lines of it; else none."""
    text = _head(path, LONGEST).decode(errors="replace")
    for part in (text, *text.splitlines()[:LINES]):
        with suppress(ValueError, RecursionError):
            found = json.loads(part)
            return frozenset(found) if isinstance(found, dict) else frozenset()
    return frozenset()


def _metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a safetensors file; none of another file."""
    head = _head(path, 8)
    if len(head) < 8:
        return {}
    (length,) = struct.unpack("<Q", head)
    if length > LONGEST:
        return {}
    with suppress(ValueError, RecursionError, AttributeError):
        found = json.loads(_head(path, 8 + length)[8:])["__metadata__"]
        return found if isinstance(found, dict) else {}
    return {}
