"""A table of text, which `html` writes into a page."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text under heads.

    Attributes:
        words: How many columns from the left hold words; numbers follow.
        columns: The heads of all columns.
        rows: Their text.
    """

    words: int
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
