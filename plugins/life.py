"""Life-like rules: a cell is born or survives by the number of its eight live neighbours."""

import itertools
import re

import torch
from torch import Tensor

from nca import Fault, Needs, OptionError, Program, RuleContext, TableTerm, UpdateRule, register

MOORE = tuple(o for o in itertools.product((-1, 0, 1), repeat=2) if o != (0, 0))
"""The eight cells around a cell."""


@register.rule("life")
class Life(UpdateRule):
    """Conway's Game of Life and its kin, by their Golly string.

    Every channel is a world of its own; a cell lives where its number exceeds one half.

    Args:
        context: Where the rule stands.
        rule: Birth and survival counts, such as `B3/S23` (Life) or `B36/S23` (HighLife).

    Raises:
        OptionError: The string is no such rule.
    """

    needs = Needs(axes=(2,), states="binary")
    successors: Tensor
    cellwise = True

    def __init__(self, context: RuleContext, *, rule: str = "B3/S23") -> None:
        super().__init__()
        found = re.fullmatch(r"[Bb]([0-8]*)/[Ss]([0-8]*)", rule)
        if found is None:
            to_do = "write B, the birth counts, /S, the survival counts: B3/S23"
            raise OptionError([Fault(("rule",), f'is "{rule}"', to_do)], f"Life(rule={rule!r})")
        successors = torch.zeros(2, 9, dtype=torch.int64)
        for row, digits in enumerate(found.groups()):
            successors[row, [int(digit) for digit in digits]] = 1
        self.register_buffer("successors", successors, persistent=False)

    def program(self) -> Program:
        """Return the table of births and survivals."""
        return Program((TableTerm(MOORE, (1,) * 8, self.successors),))
