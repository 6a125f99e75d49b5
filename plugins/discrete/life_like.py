"""Strings of births and survivals: `B3/S23`, `23/3`, `B2-a/S12`, `B2/S/C3`, `B2/S013V`.

    births and survivals     B3/S23  b3s23  S23/B3  and, survivals first, without letters: 23/3
    letters (Hensel)         B2-a3i/S12: of two neighbours all arrangements but a, of three only i
    more states              B2/S/C3  B2/S/G3  g3b2s  /2/3: a cell that dies fades
    other neighbourhoods     B2/S013V (von Neumann, four), B2/S34H (hexagonal, six)

Letters exist for the Moore neighbourhood (c e k a i n y q j r t w z), of which e and i have no
corners and stand for von Neumann's too, and, on hexagonal grids, for two to four neighbours
(o m p). Either case will do.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

import torch

from nca_plugins.discrete.letters import by_letter
from nca_plugins.discrete.rule_string import (
    HEXAGONAL,
    MOORE,
    VON_NEUMANN,
    Offset,
    RuleString,
    arrangement_table,
    checked_states,
    counting_table,
    faulty,
)

CLAIM = re.compile(
    r"(?:g\d+)?(?:b\d|b[/_]?s\d|b[/_]s|s\d[\da-z-]*[/_]?b|s[/_]?b\d|s[/_]b)[\da-z/_-]*"
    r"|\d[\da-z-]*/[\da-z/-]*|/\d[\da-z-]*(?:/[\da-z-]*)?"
)
"""What is meant to be such a string, in small letters; rightly or not."""

FORM = "write births and survivals as B3/S23, survivals first as 23/3, three states as B2/S/C3"

NAMES = {"v": (VON_NEUMANN, "von Neumann"), "h": (HEXAGONAL, "hexagonal"), "": (MOORE, "Moore")}

Conditions: TypeAlias = dict[int, frozenset[str] | None]
"""By count of neighbours: the letters of those arrangements that count; None: all of them."""


def life_like(text: str) -> RuleString | None:
    """Read births and survivals; see the first lines of this module.

    Raises:
        RuleStringError: It is such a string, and faulty.
    """
    small = text.lower()
    if CLAIM.fullmatch(small) is None:
        return None
    suffix = small[-1] if small[-1] in "vh" else ""
    offsets, neighbourhood = NAMES[suffix]
    cursor = _Cursor(text, small)
    births, survivals, states = _parts(cursor, offsets)
    cursor.take(suffix)
    if cursor.place < len(small):
        raise cursor.fault(f'has "{text[cursor.place]}" where nothing more is expected')
    lettered = any(letters is not None for letters in (*births.values(), *survivals.values()))
    if lettered:
        born, alive = _chosen(offsets, births), _chosen(offsets, survivals)
        term = arrangement_table(offsets, born, alive, states)
    else:
        term = counting_table(offsets, {*births}, {*survivals}, states)
    kind = "Generations" if states > 2 else "life-like" if not lettered else "isotropic"
    family = f"{kind} on the {neighbourhood} neighbourhood"
    return RuleString(text, family, term, hexagonal=offsets is HEXAGONAL)


@dataclass
class _Cursor:
    """A text that is read from left to right.

    Attributes:
        text: As it was given.
        small: In small letters.
        place: What is read next.
    """

    text: str
    small: str
    place: int = 0

    def take(self, pattern: str) -> re.Match[str] | None:
        """Read what matches here, or nothing."""
        found = re.compile(pattern).match(self.small, self.place)
        self.place = found.end() if found else self.place
        return found

    def need(self, letter: str, words: str) -> None:
        """Read a letter.

        Raises:
            RuleStringError: It is not there.
        """
        if not self.take(letter):
            here = self.text[self.place : self.place + 1]
            raise self.fault(f'has "{here}" in place of {words}' if here else f"lacks {words}")

    def fault(self, what: str, to_do: str = FORM):
        return faulty(self.text, self.place, what, to_do)


def _parts(cursor: _Cursor, offsets: tuple[Offset, ...]) -> tuple[Conditions, Conditions, int]:
    """Return births, survivals and the number of states."""
    found = cursor.take(r"g(\d+)")
    states = checked_states(cursor.text, 1, found[1]) if found else 2
    if cursor.take("b"):
        births = _conditions(cursor, offsets)
        cursor.take("[/_]")
        cursor.need("s", "S and the survivals")
        survivals = _conditions(cursor, offsets)
    elif cursor.take("s"):
        survivals = _conditions(cursor, offsets)
        cursor.take("[/_]")
        cursor.need("b", "B and the births")
        births = _conditions(cursor, offsets)
    else:
        survivals = _conditions(cursor, offsets)
        cursor.need("/", "a stroke between survivals and births")
        births = _conditions(cursor, offsets)
    if not found and (more := cursor.take(r"/[cg]?(\d+)|[/_]?g(\d+)")):
        states = checked_states(
            cursor.text, more.end() - len(more[1] or more[2]), more[1] or more[2]
        )
    return births, survivals, states


def _conditions(cursor: _Cursor, offsets: tuple[Offset, ...]) -> Conditions:
    """Read counts, each perhaps with letters."""
    found: Conditions = {}
    while digit := cursor.take(r"\d"):
        count = int(digit[0])
        if count > len(offsets):
            cursor.place -= 1
            to_do = f"a cell has {len(offsets)} neighbours here: give counts from 0 to that"
            raise cursor.fault(f"counts {count} neighbours", to_do)
        letters = _letters(cursor, offsets, count)
        before = found.get(count, frozenset())
        found[count] = None if letters is None or before is None else letters | before
    return found


def _letters(cursor: _Cursor, offsets: tuple[Offset, ...], count: int) -> frozenset[str] | None:
    """Read the letters of a count, if it has any."""
    known = by_letter(offsets, count)
    except_for = cursor.take("-")
    chosen: set[str] = set()
    while letter := cursor.take("[ceaiknjqrytwzomp]"):
        if letter[0] not in known:
            cursor.place -= 1
            there = f"its letters are {' '.join(sorted(known))}" if known else "it has no letters"
            what = f'has no arrangement "{letter[0]}" of {count} neighbours'
            raise cursor.fault(what, there)
        chosen.add(letter[0])
    if except_for and not chosen:
        raise cursor.fault("lacks the letters after its minus sign")
    if not chosen:
        return None
    return frozenset(known.keys() - chosen if except_for else chosen)


def _chosen(offsets: tuple[Offset, ...], conditions: Conditions) -> torch.Tensor:
    """Return for each arrangement whether it fulfils the conditions, bool."""
    found = torch.zeros(1 << len(offsets), dtype=torch.bool)
    for number in range(len(found)):
        count = number.bit_count()
        if count in conditions:
            letters = conditions[count]
            known = by_letter(offsets, count)
            found[number] = letters is None or any(number in known[letter] for letter in letters)
    return found
