"""Wolfram's elementary automata: a row of cells, each looking left and right."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nca import Needs, Program, RuleContext, TableTerm, UpdateRule, register


@register.rule("elementary")
class Elementary(UpdateRule):
    """An elementary automaton, by its Wolfram number.

    Every channel is a world of its own; a cell is on where its number exceeds one half.

    Args:
        context: Where the rule stands.
        number: Bit `4 left + 2 centre + right` of it is the cell's successor.
    """

    needs = Needs(axes=(1,), states="binary")
    successors: Tensor
    cellwise = True

    def __init__(
        self, context: RuleContext, *, number: Annotated[int, Ge(0), Le(255)] = 110
    ) -> None:
        super().__init__()
        bits = [
            [number >> (4 * (c >> 1) + 2 * own + (c & 1)) & 1 for c in range(4)] for own in (0, 1)
        ]
        self.register_buffer("successors", torch.tensor(bits), persistent=False)

    def program(self) -> Program:
        """Return the table of the three cells."""
        return Program((TableTerm(((-1,), (1,)), (2, 1), self.successors),))
