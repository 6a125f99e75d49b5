"""Strings of whole tables: `MAP` and a bit for each arrangement, in base64.

The first bit is the successor where the cell and all its neighbours are empty. The number of an
arrangement is read row by row, the cell itself among its neighbours, the first digit counting most.
86 characters (512 bits) are a Moore neighbourhood, 22 (128) a hexagonal one, 6 (32) von Neumann's.
`/3` behind them gives a rule three states, as in Generations.
"""

import base64
import re

import torch

from nca_plugins.discrete.rule_string import (
    HEXAGONAL,
    MOORE,
    VON_NEUMANN,
    RuleString,
    arrangement_table,
    checked_states,
    faulty,
)

LENGTHS = {86: (MOORE, "Moore"), 22: (HEXAGONAL, "hexagonal"), 6: (VON_NEUMANN, "von Neumann")}
FORM = "write MAP and 86 characters of base64 (Moore), 22 (hexagonal) or 6 (von Neumann)"


def whole_table(text: str) -> RuleString | None:
    """Read a table in base64; see the first lines of this module.

    Raises:
        RuleStringError: It is such a string, and faulty.
    """
    if not text.startswith("MAP") or len(text) < 4:
        return None
    given = text[3:]
    if strange := re.search("[^A-Za-z0-9+/=]", given):
        raise faulty(text, 3 + strange.start(), f'has "{strange[0]}", which is no base64', FORM)
    digits, states = given.rstrip("="), 2
    for length in LENGTHS:
        if more := re.fullmatch(rf"(.{{{length}}})=*/(\d+)", given):
            digits = more[1]
            states = checked_states(text, 3 + more.start(2), more[2])
    if len(digits) not in LENGTHS:
        what = f"has {len(digits)} characters after MAP"
        raise faulty(text, len(text), what, FORM)
    offsets, neighbourhood = LENGTHS[len(digits)]
    content = base64.b64decode(digits + "=" * (-len(digits) % 4))
    bits = torch.tensor([byte >> shift & 1 for byte in content for shift in range(7, -1, -1)])
    half = len(offsets) // 2  # the cell itself stands in the middle of its neighbours
    numbers = torch.arange(1 << len(offsets))
    alone = (numbers >> half << (half + 1)) | (numbers & ((1 << half) - 1))
    births, survivals = (bits[alone | own << half].bool() for own in (0, 1))
    term = arrangement_table(offsets, births, survivals, states)
    family = f"table on the {neighbourhood} neighbourhood"
    return RuleString(text, family, term, hexagonal=offsets is HEXAGONAL)
