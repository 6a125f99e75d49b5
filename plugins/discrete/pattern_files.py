"""Patterns as options name them: registered, in a file, or as runs in the text itself.

Legend: C channel, H height, W width.
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nca import NCAError, PluginError, TaskContext, registry
from nca.data import parse_arrays
from nca.types import OutsideFile
from nca_plugins.discrete.pattern import Pattern, PatternError
from nca_plugins.discrete.plain_text import read_cells
from nca_plugins.discrete.rle import read_rle

ENDINGS = (".rle", ".cells", ".npy", ".npz")

BEGINNINGS = {
    b"\x89PNG": "a picture (PNG)",
    b"GIF8": "a picture (GIF)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"BM": "a picture (BMP)",
    b"\x1f\x8b": "packed (gzip)",
    b"PK\x03\x04": "packed (zip)",
    b"%PDF": "a document (PDF)",
}
"""What else a file may be, by its first bytes."""

PLAIN = re.compile(r"!|\s*[.O*][.O* \t]*(?:\n|$)")
"""How plain text begins."""


RUNS_CUT = re.compile(r"[0-9bo$]*[bo$]")
"""Runs of two states without their end."""


@dataclass(frozen=True)
class PatternMark(OutsideFile):
    """Mark of an option that names a pattern: runs in the text itself are no path."""

    or_name: bool = True
    endings: tuple[str, ...] = ENDINGS

    def is_path(self, text: str) -> bool:
        """Return whether a text is a path, whatever files there are."""
        return not is_inline(text) and super().is_path(text)


PATTERN_FILE = PatternMark()

PatternSpec: TypeAlias = Annotated[str, PATTERN_FILE] | dict[str, Any]
"""A registered pattern, alone or with its options; a file; or runs: `bo$2bo$3o!`."""


@dataclass(frozen=True)
class NamedPattern:
    """Cells of a pattern, and what a file says of them.

    Attributes:
        cells: `(C, *cells)`, or `(H, W)` and the like without an axis of channels.
        channels: Whether the first axis is that of channels.
        said: What its file says, if it is from a file of cells.
    """

    cells: Tensor
    channels: bool
    said: Pattern | None = None


def is_inline(text: str) -> bool:
    """Return whether a text is a pattern itself, and not the name of one."""
    return "\n" in text or text.rstrip().endswith("!")


def open_pattern(spec: str | Mapping[str, Any], context: TaskContext) -> NamedPattern:
    """Return the pattern that an option names.

    Args:
        spec: A registered name, alone or as a table with its options, a path, or runs.
        context: Of the task; its files are read.

    Raises:
        NCAError: There is none, or it cannot be read.
    """
    if isinstance(spec, Mapping):
        options = {key: value for key, value in spec.items() if key != "name"}
        return _registered(str(spec.get("name", "")), options)
    if is_inline(spec):
        found = parse_pattern(spec)
        return NamedPattern(torch.from_numpy(found.cells), False, found)
    content = context.files.get(spec)
    if content is None and not PATTERN_FILE.is_path(spec):
        if RUNS_CUT.fullmatch(spec) and spec not in registry.names("pattern"):
            what = f'there is no pattern named "{spec[:80]}".'
            to_do = f'as runs it would end with "!": {spec[:80]}!'
            raise PatternError(what, where="the pattern", to_do=to_do)
        return _registered(spec, {})
    if content is None:
        raise PatternError(
            f'there is no pattern file "{spec}".',
            where=str(context.files.place(spec)),
            to_do=f"a file that ends in {', '.join(ENDINGS)}, or a name that nca plugins lists",
        )
    if spec.lower().endswith((".npy", ".npz")):
        return _array(content, spec)
    found = read_pattern(content, PurePath(spec).name)
    return NamedPattern(torch.from_numpy(found.cells), False, found)


def read_pattern(content: bytes, name: str) -> Pattern:
    """Read the bytes of a pattern file, of runs or of plain text.

    Args:
        content: All bytes.
        name: The file's name; `.cells` is plain text, and so is what begins with `!`.

    Raises:
        PatternError: It is none; line and column are said.
    """
    text = text_of_pattern(content, name)
    plain = name.lower().endswith(".cells") or text.startswith("!")
    return (read_cells if plain else read_rle)(text, name)


def parse_pattern(text: str) -> Pattern:
    """Read a text that somebody has pasted: runs, or plain text.

    Args:
        text: Plain text if it begins with `!`, or with a row of `.` and `O`.

    Raises:
        PatternError: It is neither; line and column are said.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    plain = PLAIN.match(text) and (text.startswith("!") or not text.rstrip().endswith("!"))
    return (read_cells if plain else read_rle)(text)


def text_of_pattern(content: bytes, name: str) -> str:
    """Return the text of a pattern file: UTF-8, or UTF-16 with its mark.

    Raises:
        PatternError: It is no text.
    """
    for beginning, words in BEGINNINGS.items():
        if content.startswith(beginning):
            raise _no_text(name, f"is {words}")
    marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # names of authors in old files
        if re.search("[\x80-\x9f]", text):
            raise _no_text(name, "is no text") from None
    if "\0" in text:
        raise _no_text(name, "is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _no_text(name: str, what: str) -> PatternError:
    return PatternError(
        f'"{name}" {what}, not a pattern.',
        where=name,
        to_do="give runs (.rle), plain text (.cells) or arrays (.npy, .npz)",
    )


def _registered(name: str, options: Mapping[str, Any]) -> NamedPattern:
    drawn = registry.get("pattern", name)
    try:
        cells: object = drawn(**options)
    except TypeError as fault:
        raise PatternError(
            f"the pattern {name!r} does not take these options: {fault}.",
            where=f"pattern = {dict(name=name, **options)!r}",
            to_do=f"see its options: nca plugins {name}",
        ) from None
    if not isinstance(cells, Tensor) or not 2 <= cells.ndim <= 4:
        what = f"of {cells.ndim} axes" if isinstance(cells, Tensor) else type(cells).__name__
        raise PluginError(
            f"the pattern {name!r} returns a tensor {what}."
            if isinstance(cells, Tensor)
            else f"the pattern {name!r} returns {what}.",
            where=f"{drawn.__module__}.{drawn.__qualname__}",
            to_do="return a tensor (C, *cells)",
        )
    return NamedPattern(cells, True)


def _array(content: bytes, name: str) -> NamedPattern:
    arrays = parse_arrays(content, name)
    if len(arrays) != 1:
        raise PatternError(
            f'"{name}" holds {len(arrays)} arrays, and a pattern is one.',
            where=f"arrays: {', '.join(sorted(arrays)) or 'none'}",
            to_do="write it by numpy.save(path, cells)",
        )
    (cells,) = arrays.values()
    if not (np.issubdtype(cells.dtype, np.number) or cells.dtype == bool) or np.iscomplexobj(cells):
        raise PatternError(
            f'"{name}" holds {cells.dtype}, and a pattern holds numbers.',
            where=name,
            to_do="write an array of whole or floating-point numbers",
        )
    tensor = torch.from_numpy(cells.astype(np.float32))
    if not tensor.isfinite().all():
        raise NCAError(
            f'"{name}" holds numbers that are not finite.', where=name, to_do="leave them out"
        )
    return NamedPattern(tensor, False)
