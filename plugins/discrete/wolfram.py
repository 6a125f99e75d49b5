"""Strings of rows of cells, by Wolfram's numbers: `W30`, `R2,W3283936144`, `T20`, `R2,T20`.

W30, rule 30        bit n of the number is the successor of the cells that, read from left to
right as a binary number, are n; R2 in front: of five cells, up to R4
W0x1E               the same in hexadecimal digits
T20, R2,T20         totalistic: bit n is the successor where n of the cells are on (his "code")
"""

import re

import torch

from nca import TableTerm
from nca_plugins.discrete.rule_string import RuleString, faulty

CLAIM = re.compile(r"(?:r(\d+),)?([wt])(0x[\da-f]+|\d[\da-f]*)|rule(\d+)")
FARTHEST = 4
FORM = "write W and a number from 0 to 255, such as W30; for five cells R2,W and a larger one"


def wolfram(text: str) -> RuleString | None:
    """Read a rule of rows; see the first lines of this module.

    Raises:
        RuleStringError: It is such a string, and faulty.
    """
    found = CLAIM.fullmatch(text.lower())
    if found is None:
        return None
    reach = int((found[1] or "1")[:9])
    if not 1 <= reach <= FARTHEST:
        raise faulty(text, 1, f"has the range {reach}", f"give 1 to {FARTHEST}")
    kind, digits = found[2] or "w", found[3] or found[4]
    at = found.start(3) if found[3] else found.start(4)
    if re.fullmatch(r"\d+", digits) is None and not digits.startswith("0x"):
        to_do = f"write hexadecimal digits behind 0x: {text[:at]}0x{digits.upper()}"
        raise faulty(text, at, "has a number with letters", to_do)
    bits = 1 << (2 * reach + 1) if kind == "w" else 2 * reach + 2
    number = int(digits[:400], 16 if digits.startswith("0x") else 10)
    if number >= 1 << bits:
        most = f"{(1 << bits) - 1}" if bits <= 32 else f"2 to the {bits}, less 1"
        to_do = f"{2 * reach + 1} cells have numbers from 0 to {most}"
        raise faulty(text, at, "has too large a number", to_do)
    offsets = tuple((by,) for by in range(-reach, reach + 1) if by)
    if kind == "t":
        rows = [[number >> (own + count) & 1 for count in range(2 * reach + 1)] for own in (0, 1)]
        term = TableTerm(offsets, (1,) * len(offsets), torch.tensor(rows))
        return RuleString(text, "totalistic in one axis", term, axes=1)
    weights = tuple(1 << (2 * reach - 1 - n) for n in range(2 * reach))
    low = (1 << reach) - 1
    rows = [
        [number >> (column >> reach << (reach + 1) | own << reach | column & low) & 1
         for column in range(1 << (2 * reach))]
        for own in (0, 1)
    ]  # fmt: skip
    family = "elementary" if reach == 1 else f"rows of range {reach}"
    return RuleString(text, family, TableTerm(offsets, weights, torch.tensor(rows)), axes=1)
