"""Patterns as plain text (`.cells`), in and out: `.` an empty cell, `O` a live one, a line a row.

    !Name: Glider
    !The smallest spaceship.
    .O
    ..O
    OOO

Lines that begin with `!` are comments. `*` is a live cell, too, and short lines end empty.
"""

import re

import numpy as np

from nca_plugins.discrete.pattern import MOST_LETTERS, Pattern, PatternError, refuse_large

FORM = "write . for an empty cell, O for a live one, and a row on each line"


def read_cells(text: str, label: str = "the pattern") -> Pattern:
    """Read a pattern of plain text.

    Args:
        text: The whole text.
        label: What errors call it, such as a file's name.

    Raises:
        PatternError: It is none, or too large; line and column are said.
    """
    lines = text[:MOST_LETTERS].replace("\r\n", "\n").split("\n")
    notes = [line[1:].strip() for line in lines if line.startswith("!")]
    rows = [line.rstrip() for line in lines if not line.startswith("!")]
    while rows and not rows[-1]:
        rows.pop()
    if len(text) > MOST_LETTERS:
        raise PatternError(
            f"{label} has {len(text):,} letters, more than {MOST_LETTERS:,}.",
            where=label,
            to_do="cut it into parts",
        )
    for number, line in enumerate(lines, 1):
        if not line.startswith("!") and (strange := re.search(r"[^.O* ]", line.rstrip())):
            letter = "a tab" if strange[0] == "\t" else f'"{strange[0]}"'
            place = f"{label}, line {number}, column {strange.start() + 1}"
            raise PatternError(f"{label} has {letter}, which is no cell.", where=place, to_do=FORM)
    width = max((len(row) for row in rows), default=0)
    refuse_large(width, len(rows), label)
    whole = "".join(row.ljust(width, ".") for row in rows).encode("ascii")
    letters = np.frombuffer(whole, dtype=np.uint8).reshape(len(rows), width)
    cells = ((letters == ord("O")) | (letters == ord("*"))).astype(np.uint8)
    named = [note for note in notes if note.startswith("Name:")]
    others = tuple(note for note in notes if not note.startswith("Name:"))
    return Pattern(cells, name=named[0][5:].strip() if named else "", comments=others)


def write_cells(pattern: Pattern) -> str:
    """Return a pattern of two states as plain text.

    Raises:
        PatternError: It has more states.
    """
    if pattern.states > 2:
        raise PatternError(
            f"the pattern has {pattern.states} states, and plain text has two.",
            where=pattern.name or "the pattern",
            to_do="write it as runs: write_rle",
        )
    notes = [f"!Name: {pattern.name}"] * bool(pattern.name)
    notes += [f"!{comment}" for comment in pattern.comments]
    rows = ["".join(".O"[cell] for cell in row) for row in pattern.cells.tolist()]
    return "\n".join([*notes, *rows, ""])
