"""The nets of the first GLOM automaton (R. Ryan, 2021, github.com/RedRyan111/GLOM).

Its attention was computed and then overwritten before anything read it, so it is left out. What
its author calls query, key and value are three layers of one net, and keep their letters here,
so that the published weights load as they are.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from nca import RuleContext, UpdateRule, View, per_cell, register
from nca.types import ProperFraction

SCALE = 0.01  # of every change


@register.rule("seed_glom")
class SeedGlom(UpdateRule):
    """Three layers with tanh over the neighbourhood in one level, scaled down.

    With `P` the numbers that a cell perceives, all channels of one neighbour after the other:

        q = tanh(Q drop(P) + a)
        k = tanh(K drop(q) + b) + q
        v = tanh(V drop(k) + c) + q + k
        change = 0.01 v

    With ten channels on both levels, in two axes, a net has the published 1,130 parameters.

    Args:
        context: Where the rule stands.
        source: The level that the net reads.
        dropout: Chance, in training only, that a number which a cell feeds to a layer is zero;
            the others grow by `1 / (1 - dropout)`. Each cell draws for each of its own inputs:
            two cells that perceive the same neighbour may lose different numbers of it.
    """

    cellwise = True

    def __init__(
        self,
        context: RuleContext,
        *,
        source: Literal["below", "own", "above"] = "own",
        dropout: ProperFraction = 0.1,
    ) -> None:
        super().__init__()
        self.source = source
        self.reads = (source,)
        self.dropout = dropout
        channels = context.own.channels
        self.q = nn.Linear(3**context.axes * context.level(source).channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)

    def forward(self, view: View) -> Tensor:
        """Return a hundredth of what the net makes of the neighbourhood."""
        q = torch.tanh(self._perceived(view, view.level(self.source)))
        k = torch.tanh(per_cell(self.k, self._drop(view, q, "k"))) + q
        return SCALE * (torch.tanh(per_cell(self.v, self._drop(view, k, "v"))) + q + k)

    def _perceived(self, view: View, level: Tensor) -> Tensor:
        # The original stacks the grid rolled by (-1, -1), (-1, 0), ... (1, 1). Rolled by -1, a
        # cell sees the neighbour at +1, so the stack runs against raster order. One correlation
        # would do the same in another order of summation, 1e-5 away after 30 steps.
        # Laid channels last, the columns are written once, as the product wants them.
        seen = [shifted.movedim(1, -1) for shifted in reversed(view.shifted(level))]
        columns = torch.cat(seen, dim=-1).movedim(-1, 1)  # (B, N * C, *space)
        return per_cell(self.q, self._drop(view, columns, "q"))

    def _drop(self, view: View, tensor: Tensor, layer: str) -> Tensor:
        """Return the tensor as one layer sees it: whole, or, in training, with gaps."""
        if not (self.training and self.dropout):
            return tensor
        kept = view.chance(1 - self.dropout, tensor.shape[1], layer)
        return tensor * kept / (1 - self.dropout)
