"""Wolfram's elementary automata: a row of cells, each looking left and right."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nca import Needs, RuleContext, UpdateRule, View, register


@register.rule("elementary")
class Elementary(UpdateRule):
    """An elementary automaton, by its Wolfram number.

    Every channel is a world of its own; a cell is on where its number exceeds one half.

    Args:
        context: Where the rule stands.
        number: Bit `4 left + 2 centre + right` of it is the cell's successor.
    """

    needs = Needs(axes=(1,), states="binary")
    table: Tensor
    cellwise = True

    def __init__(
        self, context: RuleContext, *, number: Annotated[int, Ge(0), Le(255)] = 110
    ) -> None:
        super().__init__()
        bits = [number >> bit & 1 for bit in range(8)]
        self.register_buffer("table", torch.tensor(bits), persistent=False)

    def forward(self, view: View) -> Tensor:
        """Return what turns each cell into its successor: -1, 0 or 1."""
        own = view.own
        left, centre, right = view.neighbours(own).gt(0.5).long().unbind(dim=1)  # (B, C, W)
        return self.table[4 * left + 2 * centre + right].to(own.dtype) - own
