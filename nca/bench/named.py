"""Choose among named things, or say which name there is no thing of."""

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from nca.errors import NCAError

Thing = TypeVar("Thing")


def choose(kind: str, names: Sequence[str], known: Mapping[str, Thing], option: str) -> list[Thing]:
    """Return the things of these names in the order of `known`, all if no name is given.

    Args:
        kind: What such a thing is called.
        names: Asked for by the user.
        known: All there are.
        option: Where the user wrote the name.

    Raises:
        NCAError: There is no thing of that name; the nearest is suggested.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise NCAError(
                f"there is no {kind} {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
                where=f"{option} {name}; there are: {', '.join(known) or 'none'}",
                to_do=f"choose one of these, or leave {option} out for all",
            )
    return [thing for name, thing in known.items() if not names or name in names]
