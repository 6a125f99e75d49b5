"""Keys that a JSON text gives twice: refused, where a parser takes the last in silence."""

import json
from typing import Any


class RepeatedKeyError(Exception):
    """A key stands twice in one table; its text says which."""


def check_keys(text: str) -> None:
    """Refuse a text in which a table has a key twice.

    Args:
        text: JSON that a parser with a limit on depth has accepted.

    Raises:
        RepeatedKeyError: A table has a key twice.
    """
    json.loads(text, object_pairs_hook=_table)


def _table(pairs: list[tuple[str, Any]]) -> None:
    keys: set[str] = set()
    for key, _ in pairs:
        if key in keys:
            raise RepeatedKeyError(f"the key {key[:40]!r} is given twice")
        keys.add(key)
