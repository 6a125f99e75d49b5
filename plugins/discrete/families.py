"""All families of rule strings, and the one function that reads a string of any of them.

A new family is a function in a file of its own, and one more name in `FAMILIES`.
"""

import re
from dataclasses import replace

from nca_plugins.discrete.bounded import bounded_grid
from nca_plugins.discrete.larger_than_life import larger_than_life
from nca_plugins.discrete.life_like import life_like
from nca_plugins.discrete.maps import whole_table
from nca_plugins.discrete.names import BY_PLAIN_NAME, STRINGS, plain_name, wireworld
from nca_plugins.discrete.rule_string import Family, RuleString, RuleStringError
from nca_plugins.discrete.wolfram import wolfram

FAMILIES: tuple[Family, ...] = (whole_table, wireworld, wolfram, larger_than_life, life_like)
"""Asked one after the other; the first that knows a string reads it."""

LONGEST = 4096
FORMS = (
    "B3/S23, 23/3, B2-a/S12, B2/S/C3, B2/S013V, R5,C0,M1,S34..58,B34..45,NM, MAP..., W30, a name"
)


def read_rule(text: str) -> RuleString:
    """Read a rule string of any family.

    Raises:
        RuleStringError: It is none, or is faulty; the nearest that is right is suggested.
    """
    try:
        found = known_rule(text)
    except RuleStringError as fault:
        near = _nearest(text)
        hint = f"did you mean {near}? " if near else ""
        raise RuleStringError(fault.what, where=fault.where, to_do=hint + fault.to_do) from None
    if found is None:
        near = _nearest(text)
        hint = f"did you mean {near}? " if near else ""
        raise RuleStringError(
            f'"{text[:80]}" is no rule string.', where="a rule", to_do=f"{hint}write {FORMS}"
        )
    return found


def known_rule(text: str) -> RuleString | None:
    """Read a rule string, or return None: no family knows what is meant.

    Raises:
        RuleStringError: It is meant to be one, and is faulty.
    """
    if len(text) > LONGEST or not text.strip() or not text.isascii():
        return None
    tight = re.sub(r"\s+", "", text)
    body, colon, _ = tight.partition(":")
    said = BY_PLAIN_NAME.get(plain_name(body), body)
    for family in FAMILIES:
        try:
            found = family(said)
        except RuleStringError as fault:
            if not colon:
                raise
            where = fault.where.replace(f'"{body}"', f'"{tight}"')
            raise RuleStringError(fault.what, where=where, to_do=fault.to_do) from None
        if found is not None:
            bounds = bounded_grid(tight, len(body) if colon else -1, found.axes)
            return replace(found, text=said + tight[len(body) :], bounds=bounds)
    return None


def _nearest(text: str) -> str:
    """Return a right string that differs little, or nothing."""
    tight = re.sub(r"\s+", "", text)[:120]
    if _right(tight.partition(":")[0]):  # its suffix is wrong, and says itself what would do
        return ""
    names = {plain_name(name): name for name in [*STRINGS, "WireWorld"]}
    given = _shortened(plain_name(tight))
    if len(tight) > 3 and (close := [name for name in names if given & _shortened(name)]):
        return names[close[0]]
    ends = [tight[:end] for end in range(len(tight) - 1, max(1, len(tight) - 4), -1)]
    shorter = [tight[:at] + tight[at + 1 :] for at in range(len(tight))]
    longer = [
        tight[:at] + letter + tight[at:] for letter in "SB/" for at in range(len(tight), -1, -1)
    ]
    for candidate in (*ends, *longer, *shorter):
        if _right(candidate):
            return candidate
    return ""


def _shortened(word: str) -> set[str]:
    """Return a word with and without each of its letters; words one letter apart share some."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _right(text: str) -> bool:
    try:
        return known_rule(text) is not None
    except RuleStringError:
        return False
