"""Turn what is wrong with a recipe into lines that a person can act upon, all at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from nca.errors import NCAError
from nca.validation.faults import Fault, KeyPath, place_of

MOST_ROWS = 50
"""So many faults are shown."""

WIDEST = 60
"""Characters that a column is filled up to, at most; a longer entry stands out."""


class RecipeError(NCAError):
    """A recipe has faults; they are shown in the order of their lines, as many as can be read.

    Args:
        source: The file or name of the recipe.
        faults: What is wrong.
        text: The recipe's text, to find lines in; empty if there is none.
        overridden: The keys that were set on the command line; they have no line.
        unchecked: What was not checked, since plugins are executed for a recipe without faults.
    """

    def __init__(
        self,
        source: str,
        faults: Sequence[Fault],
        text: str = "",
        overridden: Collection[KeyPath] = (),
        unchecked: Sequence[str] = (),
    ) -> None:
        from nca.recipe.lines import lines_of  # a parser that only errors need

        lines = lines_of(text) if text else {}
        rows = []
        for fault in faults:
            by_hand = any(_same_branch(fault.path, key, lines) for key in overridden)
            line = 0 if by_hand else fault.line or _nearest(fault.path, lines)
            word = "--set" if by_hand else f"line {line}" if line else "whole"
            rows.append((line, word, place_of(fault.path), fault))
        rows.sort(key=lambda row: row[0])
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        self.faults = [fault for *_, fault in rows]
        super().__init__(
            f"{count} in {source}",
            where="; ".join(place for *_, place, _ in rows),
            to_do="; ".join(fault.to_do for fault in self.faults),
        )
        shown = rows[:MOST_ROWS]
        wide = _width(place for *_, place, _ in shown)
        wider = _width(fault.what for *_, fault in shown)
        self._rows = [
            f"  {word:<9}{place:<{wide}}  {fault.what:<{wider}}  {fault.to_do}"
            for _, word, place, fault in shown
        ]
        if more := len(rows) - len(shown):
            self._rows.append(f"  ... and {more:,} more")
        without = "plugins run once these are corrected; not checked yet"
        self._more = [f"  {without}: {', '.join(unchecked)}"] if unchecked else []

    def __str__(self) -> str:
        """Return one line per fault under the headline."""
        return "\n".join([self.what, *(row.rstrip() for row in self._rows), *self._more])


def _width(entries: Iterable[str]) -> int:
    return min(max(map(len, entries), default=0), WIDEST)


def depth(value: Any) -> int:
    """Return how deep tables and lists are nested in a value."""
    deepest, level = 0, [value]
    while level:
        items = [list(v.values()) if isinstance(v, dict) else v for v in level]
        level = [item for v in items if isinstance(v, list) for item in v]
        deepest += 1
    return deepest


def _same_branch(path: KeyPath, key: KeyPath, lines: Mapping[KeyPath, int]) -> bool:
    """Return whether a path lies in an overridden key, or in a table that only it has made."""
    return path[: len(key)] == key or (path not in lines and key[: len(path)] == path != ())


def _nearest(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
