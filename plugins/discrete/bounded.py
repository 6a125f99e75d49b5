"""Suffixes that bound the grid: `B3/S23:T30,20` is a torus 30 cells wide and 20 high.

`:P30,20` is a plane with empty surroundings, `:T30` is as high as it is wide, and of a rule of
rows 30 cells long. What other tools allow and no topology here can be is refused by its name.
"""

import re

from nca_plugins.discrete.rule_string import BoundedGrid, faulty

FORM = "write :T30,20 for a torus 30 cells wide and 20 high, :P30,20 for a plane"
OTHERS = {"k": "a Klein bottle", "c": "a cross-surface", "s": "a sphere"}
LONGEST = 1_000_000


def bounded_grid(text: str, at: int, axes: int) -> BoundedGrid | None:
    """Read the suffix of a rule string.

    Args:
        text: The whole string.
        at: Where the colon stands; -1: there is none.
        axes: Of the rule.

    Raises:
        RuleStringError: It is no suffix, or one of a topology that is not there.
    """
    if at < 0:
        return None
    suffix = text[at + 1 :].lower()
    kind = suffix[:1]
    twisted = re.fullmatch(r"[tkp]\d+\*?(?:[+-]\d+)?(?:,\d+\*?(?:[+-]\d+)?)?", suffix)
    if kind in OTHERS and re.fullmatch(r"[kcs]\d*[\d,*+-]*", suffix):
        raise faulty(text, at + 1, f"asks for {OTHERS[kind]}, a topology that is not there", FORM)
    if twisted and "*" in suffix:
        raise faulty(text, at + 1, "asks for a twisted torus, which is not there", FORM)
    if twisted and re.search("[+-]", suffix):
        raise faulty(text, at + 1, "asks for a shifted torus, which is not there", FORM)
    found = re.fullmatch(r"([tp])(\d{1,7})(?:,(\d{1,7}))?", suffix)
    if found is None:
        what = f'has the suffix ":{text[at + 1 :]}", which is none'
        raise faulty(text, at + 1, what, FORM)
    width = int(found[2])
    height = int(found[3] or found[2])
    size = (width,) if axes == 1 else (height, width)
    if axes == 1 and found[3] and int(found[3]) > 1:
        to_do = f"its grid is a row: write :{kind.upper()}{width}"
        raise faulty(text, at + 1, "asks for two axes, and is a rule of rows", to_do)
    if 0 in size:
        to_do = "0 means without end, which no grid is: give both sides, such as :T128,128"
        raise faulty(text, at + 1, "asks for a grid without end", to_do)
    if max(size) > LONGEST:
        raise faulty(text, at + 1, f"asks for {max(size):,} cells", f"at most {LONGEST:,} a side")
    return BoundedGrid(size, "torus" if kind == "t" else "zeros")
