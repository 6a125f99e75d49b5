"""Suggestions: an unknown name is refused together with the nearest known one."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from nca.errors import NCAError

Named = TypeVar("Named")

LISTED = 60
"""Names that an error lists, at most."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that leads to the nearest known name, or nothing where none is near.

    It ends in a space, for it goes before what else an error advises.
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean `{near[0]}`? " if near else ""


def listed(names: Iterable[str]) -> str:
    """Return names as an error lists them, the first of them where there are very many."""
    every = list(names)
    more = f" and {len(every) - LISTED:,} more" if len(every) > LISTED else ""
    return f"{', '.join(every[:LISTED])}{more}" or "none"


def select_named(
    kind: str, names: Sequence[str], known: Mapping[str, Named], option: str
) -> list[Named]:
    """Return what these names stand for in the order of `known`, all if no name is given.

    Args:
        kind: What the error calls such a thing.
        names: Asked for by the user.
        known: All there are.
        option: Where the user wrote the name.

    Raises:
        NCAError: A name is unknown; the nearest is suggested.
    """
    for name in names:
        if name not in known:
            raise NCAError(
                f"there is no {kind} {name!r}.",
                where=f"{option} {name}; there are: {listed(known)}",
                to_do=f"{did_you_mean(name, known)}choose one of these, or leave {option} out "
                "for all",
            )
    return [thing for name, thing in known.items() if not names or name in names]
