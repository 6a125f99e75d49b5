"""Strings of wide neighbourhoods, Larger than Life (K. Evans, 1996): `R5,C0,M1,S34..58,B34..45,NM`.

    R   how far a cell sees, 1 to 50
    C   how many states; 0, 1 and 2 are two, with more a cell that dies fades
    M   1: the cell itself is counted, too; 0, if not given
    S   counts by which a cell survives, B by which it is born: 34..58, 34-58, or a list 2,5-7
    N   which cells are neighbours, M if not given:
        M  all (Moore)                       N  at most R steps away (von Neumann)
        C  in a circle of R (R + 1)          2  in a circle of R squared
        +  in a line along an axis           X  along a diagonal           *  along either
        #  in the rows and columns beside    B  of the other colour of a checkerboard, D of its own

Evans's own five numbers, `5,34,45,34,58` (range, births, survivals, itself counted), and those of
Catagolue, `r5b34t45s34t58`, are read as well.
"""

import re
from collections.abc import Callable
from itertools import product

from nca_plugins.discrete.rule_string import (
    Offset,
    RuleString,
    checked_states,
    counting_table,
    faulty,
)

CLAIM = re.compile(r"r\d+,.*[sb].*|r\d*,[cmsb].*")
FIVE = re.compile(r"(\d+),(\d+),(\d+),(\d+),(\d+)")
TO = re.compile(r"(?:g(\d+))?r(\d+)b(\d+)t(\d+)s(\d+)t(\d+)")
PART = re.compile(r"([rcmsbn])([^,]*(?:,[\d.-]+)*)", re.IGNORECASE)
FORM = (
    "write R5,C0,M1,S34..58,B34..45,NM: range, states, whether the cell counts, survivals, births"
)

FARTHEST = 50

SHAPES: dict[str, tuple[str, Callable[[int, int, int], bool]]] = {
    "m": ("Moore", lambda y, x, r: True),
    "n": ("von Neumann", lambda y, x, r: abs(y) + abs(x) <= r),
    "c": ("circular", lambda y, x, r: y * y + x * x <= r * (r + 1)),
    "2": ("Euclidean", lambda y, x, r: y * y + x * x <= r * r),
    "+": ("cross", lambda y, x, r: y == 0 or x == 0),
    "x": ("saltire", lambda y, x, r: abs(y) == abs(x)),
    "*": ("star", lambda y, x, r: y == 0 or x == 0 or abs(y) == abs(x)),
    "#": ("hash", lambda y, x, r: abs(y) == 1 or abs(x) == 1),
    "b": ("checkerboard", lambda y, x, r: (y + x) % 2 == 1),
    "d": ("aligned checkerboard", lambda y, x, r: (y + x) % 2 == 0),
}
"""By letter: its name, and whether a cell so far down and right is a neighbour within a range."""


def larger_than_life(text: str) -> RuleString | None:
    """Read a rule of wide neighbourhoods; see the first lines of this module.

    Raises:
        RuleStringError: It is such a string, and faulty.
    """
    small = text.lower()
    if five := FIVE.fullmatch(small):
        reach, *counts = five.groups()
        whole = f"r{reach},m1,s{counts[2]}..{counts[3]},b{counts[0]}..{counts[1]}"
    elif to := TO.fullmatch(small):
        states, reach, *counts = to.groups()
        whole = f"r{reach},c{states or 2},m1,s{counts[2]}..{counts[3]},b{counts[0]}..{counts[1]}"
    elif CLAIM.fullmatch(small):
        whole = ""
    else:
        return None
    return _read(text, whole or small, place=None if not whole else 0)


def _read(text: str, small: str, place: int | None) -> RuleString:
    """Read the parts.

    Args:
        text: The string as it was given.
        small: The same in small letters, with all its parts.
        place: Where its faults are said to be, if that is not where they are in `small`.
    """
    parts: dict[str, tuple[int, str]] = {}
    at = 0
    while at < len(small):
        part = PART.match(small, at)
        here = at if place is None else place
        if part is None:
            raise faulty(text, here, f'has no part that begins with "{small[at]}"', FORM)
        if part[1] in parts:
            raise faulty(text, here, f"has {part[1].upper()} twice", "give each part once")
        parts[part[1]] = (here + (place is None), part[2])
        at = part.end()
        if at < len(small) and small[at] != ",":
            raise faulty(text, at if place is None else place, "lacks a comma", FORM)
        at += 1
    for letter in "rsb":
        if letter not in parts:
            raise faulty(text, len(text), f"lacks {letter.upper()}", FORM)
    return _built(text, parts)


def _built(text: str, parts: dict[str, tuple[int, str]]) -> RuleString:
    reach = _number(text, *parts["r"], 1, FARTHEST, "range")
    states = _number(text, *parts.get("c", (0, "2")), 0, 256, "number of states")
    middle = _number(text, *parts.get("m", (0, "0")), 0, 1, "M")
    at, letter = parts.get("n", (0, "m"))
    if (letter or "m") not in SHAPES:
        what = f'has the neighbourhood "N{letter.upper()}", which is not known here'
        known = ", ".join(f"N{one.upper()} {name}" for one, (name, _) in SHAPES.items())
        raise faulty(text, at, what, f"choose among {known}")
    name, fits = SHAPES[letter or "m"]
    sides = range(-reach, reach + 1)
    offsets: list[Offset] = [
        (y, x) for y, x in product(sides, sides) if (y or x) and fits(y, x, reach)
    ]
    if middle:
        offsets.append((0, 0))
    counts = [_counts(text, *parts[letter], len(offsets)) for letter in "bs"]
    states = checked_states(text, 0, str(max(states, 2)))
    term = counting_table(offsets, counts[0], counts[1], states)
    return RuleString(text, f"Larger than Life, {name} neighbourhood", term)


def _number(text: str, place: int, digits: str, least: int, most: int, words: str) -> int:
    if not re.fullmatch(r"\d{1,9}", digits) or not least <= int(digits) <= most:
        given = f'"{digits}"' if digits else "nothing"
        raise faulty(text, place, f"has {given} as its {words}", f"give {least} to {most}")
    return int(digits)


def _counts(text: str, place: int, given: str, most: int) -> set[int]:
    """Return the counts of a list such as `2,5-7` or `34..58`."""
    found: set[int] = set()
    for part in given.split(",") if given else ():
        ends = re.fullmatch(r"(\d{1,9})(?:(?:\.\.|-)(\d{1,9}))?", part)
        if ends is None:
            raise faulty(text, place, f'has "{part}" as a count', "write 34..58, 34-58 or 2,5-7")
        low, high = int(ends[1]), int(ends[2] or ends[1])
        if high < low or high > most:
            what = f"counts {part} of {most} neighbours"
            raise faulty(text, place, what, f"the smaller number first, at most {most}")
        found |= {*range(low, high + 1)}
    return found
