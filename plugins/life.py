"""Life-like rules: a cell is born or survives by the number of its eight live neighbours."""

import re

import torch
from torch import Tensor

from nca import Fault, Needs, OptionError, RuleContext, UpdateRule, View, register


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
    counts: Tensor
    cellwise = True

    def __init__(self, context: RuleContext, *, rule: str = "B3/S23") -> None:
        super().__init__()
        found = re.fullmatch(r"[Bb]([0-8]*)/[Ss]([0-8]*)", rule)
        if found is None:
            to_do = "write B, the birth counts, /S, the survival counts: B3/S23"
            raise OptionError([Fault(("rule",), f'is "{rule}"', to_do)], f"Life(rule={rule!r})")
        counts = torch.zeros(2, 9)
        for row, digits in enumerate(found.groups()):
            counts[row, [int(digit) for digit in digits]] = 1
        self.register_buffer("counts", counts, persistent=False)

    def forward(self, view: View) -> Tensor:
        """Return what turns each cell into its successor: -1, 0 or 1."""
        own = view.own
        alive = own > 0.5  # (B, C, H, W)
        # one by one: their number fits a byte, and nine views need no copy
        live = sum((seen > 0.5).byte() for seen in view.shifted(own)) - alive.byte()
        successor = self.counts[alive.long(), live.long()].to(own.dtype)
        return successor - own
