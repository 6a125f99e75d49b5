"""Strings of rows of cells, by Wolfram's numbers: `W30`, `R2,W3283936144`, `R2,T20`, `code 777`.

W30, rule 30        bit n of the number is the successor of the cells that, read from left to
right as a binary number, are n; R2 in front: of five cells, up to R4
W0x1E               the same in hexadecimal digits
T20, R2,T20         totalistic: bit n is the successor where n of the cells are on (his "code")
"""

import re

import torch

from nca import TableTerm
from nca_plugins.discrete.rule_string import Offset, RuleString, faulty

CLAIM = re.compile(
    r"(?:r(?P<range>\d+),)?(?:c(?P<colours>\d+),)?(?P<kind>[wt])(?P<digits>0x[\da-f]+|\d[\da-f]*)"
    r"|rule(?P<rule>\d+)|code(?P<code>\d+)"
)
FARTHEST, MOST_COLOURS = 4, 16
FORM = "write W and a number from 0 to 255, such as W30; for five cells R2,W and a larger one"


def wolfram(text: str) -> RuleString | None:
    """Read a rule of rows; see the first lines of this module.

    Raises:
        RuleStringError: It is such a string, and faulty.
    """
    found = CLAIM.fullmatch(text.lower())
    if found is None:
        return None
    said = found.groupdict()
    reach = int((said["range"] or "1")[:9])
    colours = int((said["colours"] or ("3" if said["code"] else "2"))[:9])
    if not 1 <= reach <= FARTHEST:
        raise faulty(text, 1, f"has the range {reach}", f"give 1 to {FARTHEST}")
    group = next(name for name in ("digits", "rule", "code") if said[name])
    kind = said["kind"] or ("t" if said["code"] else "w")
    at, digits = found.start(group), said[group]
    if colours != 2 and (kind == "w" or not 2 <= colours <= MOST_COLOURS):
        to_do = f"W has 2, T from 2 to {MOST_COLOURS}: C3,T777"
        raise faulty(text, found.start("colours"), f"has {colours} colours", to_do)
    if re.fullmatch(r"\d+", digits) is None and not digits.startswith("0x"):
        to_do = f"write hexadecimal digits behind 0x: {text[:at]}0x{digits.upper()}"
        raise faulty(text, at, "has a number with letters", to_do)
    places = 1 << (2 * reach + 1) if kind == "w" else (2 * reach + 1) * (colours - 1) + 1
    number = int(digits[:400], 16 if digits.startswith("0x") else 10)
    if number >= colours**places:
        most = f"{colours**places - 1}" if places <= 32 else f"{colours} to the {places}, less 1"
        to_do = f"{2 * reach + 1} cells have numbers from 0 to {most}"
        raise faulty(text, at, "has too large a number", to_do)
    offsets = tuple((by,) for by in range(-reach, reach + 1) if by)
    if kind == "t":
        return RuleString(text, "totalistic", totalistic(number, colours, offsets), axes=1)
    weights = tuple(1 << (2 * reach - 1 - n) for n in range(2 * reach))
    low = (1 << reach) - 1
    rows = [
        [number >> (column >> reach << (reach + 1) | own << reach | column & low) & 1
         for column in range(1 << (2 * reach))]
        for own in (0, 1)
    ]  # fmt: skip
    family = "elementary" if reach == 1 else f"rows of range {reach}"
    return RuleString(text, family, TableTerm(offsets, weights, torch.tensor(rows)), axes=1)


def totalistic(number: int, colours: int, offsets: tuple[Offset, ...]) -> TableTerm:
    """Return the table of a rule by which a cell follows from the sum of what it sees.

    Args:
        number: Digit n of it, in base `colours`, is the successor where the sum is n.
        colours: How many states a cell has; each adds its number to the sum.
        offsets: Where the neighbours stand; the cell itself adds to the sum, too.
    """
    sums = len(offsets) * (colours - 1) + 1
    rows = [
        [number // colours ** (own + others) % colours for others in range(sums)]
        for own in range(colours)
    ]
    counted = tuple(state for state in range(colours) for _ in range(state))
    return TableTerm(offsets, (1,) * len(offsets), torch.tensor(rows), counted)
