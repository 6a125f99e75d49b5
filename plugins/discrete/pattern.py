"""A pattern: cells of a few states, as files and strings of other people hold them.

Legend: H height, W width.
"""

from dataclasses import dataclass, field

import numpy as np

from nca import NCAError

MOST_CELLS = 1 << 26
"""Cells of a pattern at most: 8,192 x 8,192."""

MOST_LETTERS = 1 << 26
"""Letters of a file at most."""


class PatternError(NCAError):
    """A pattern cannot be found, read or used."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Cells, and what their file says of them.

    Attributes:
        cells: `(H, W)`, uint8: the state of each cell.
        rule: The rule string of the file; empty: it says none.
        name: What it is called, if the file says it.
        author: Who found it.
        comments: Lines of text.
        offset: Where its first cell shall stand, columns right and rows down; None: anywhere.
    """

    cells: np.ndarray
    rule: str = ""
    name: str = ""
    author: str = ""
    comments: tuple[str, ...] = ()
    offset: tuple[int, int] | None = field(default=None)

    @property
    def states(self) -> int:
        """How many states its cells have at least: one more than the greatest."""
        return int(self.cells.max(initial=0)) + 1

    @property
    def population(self) -> int:
        """How many cells are not empty."""
        return int(np.count_nonzero(self.cells))


def refuse_large(width: int, height: int, where: str) -> None:
    """Refuse a pattern before memory is taken for it.

    Raises:
        PatternError: It is too large.
    """
    if width * height > MOST_CELLS:
        raise PatternError(
            f"the pattern has {width:,} x {height:,} cells, more than {MOST_CELLS:,}.",
            where=where,
            to_do="cut it, or correct the counts: 3o is three cells",
        )


def place_in(text: str, at: int, label: str) -> str:
    """Return a place in a text as line and column, both from 1.

    Args:
        text: The text.
        at: The letter.
        label: What the text is called.
    """
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"{label}, line {line}, column {column}"
