"""Attention between neighbours as in a vision transformer (ViTCA; Tesfaldet et al. 2022).

A cell embeds what it holds and lets several heads attend to its neighbourhood; what they bring is
added, a small net looks at each cell alone, and what it says is added, too (arXiv 2211.01233). For
a cell p that holds s(p) and its neighbours r, in a step

    x(p) = E s(p)
    w(p, r) = softmax over r of  q(p) . k(r) / sqrt(D) + b(r - p)      for each head
    y(p) = x(p) + O (sum over r of  w(p, r) v(r), head after head)
    change(p) = H norm(y(p) + MLP(norm(y(p))))

where queries q, keys k and values v are linear in norm(x). Each head learns a number b for each
neighbour, by which a cell tells directions. The paper gives cells a code of where they are in its
place, which would end a pattern's indifference to where it stands. H starts at zero: a new
automaton stands still.

Legend: B batch, N neighbour, C channel, D channels of a head; `*space` the axes of the grid.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le, Len
from torch import Tensor, nn

from nca import Fault, OptionError, RuleContext, UpdateRule, View, per_cell, register
from nca.types import Count, Name, Units

FARTHEST = 32
"""Cells that attention reaches along an axis."""


@register.rule("vitca")
class ViTCA(UpdateRule):
    """Multi-head attention of each cell to its neighbourhood, then a net for each cell alone.

    Args:
        context: Where the rule stands.
        width: Channels of a cell's embedding; the heads share them.
        heads: How many heads attend, each in its own way; a divisor of the width.
        hidden: Units of the hidden layer of the net.
        radius: How far a cell looks along each axis, in cells.
        beside: Further levels that a cell embeds: `below`, `above`, or by name.

    Raises:
        OptionError: The heads cannot share the width.
    """

    def __init__(
        self,
        context: RuleContext,
        *,
        width: Units = 32,
        heads: Count = 4,
        hidden: Units = 64,
        radius: Annotated[int, Ge(1), Le(FARTHEST)] = 1,
        beside: Annotated[Sequence[Name], Len(0, 8)] = (),
    ) -> None:
        super().__init__()
        if width % heads:
            fault = Fault(("heads",), f"is {heads}", f"a divisor of the width of {width}")
            raise OptionError([fault], f"ViTCA(width={width}, heads={heads})")
        self.heads, self.radius = heads, radius
        self.seen = self.reads = ("own", *beside)
        held = sum(context.level(name).channels for name in self.seen)
        self.embed = nn.Linear(held, width)
        self.before, self.between, self.after = (nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width)
        # a bias of keys would count for all neighbours alike, and so for nothing
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros((2 * radius + 1) ** context.axes, heads))
        self.bring = nn.Linear(width, width)
        self.hidden = nn.Linear(width, hidden)
        self.net = nn.Linear(hidden, width)
        self.change = nn.Linear(width, context.own.channels)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, view: View) -> Tensor:
        """Return the change of each cell, `(B, C, *space)`."""
        cells = torch.cat([view.level(name) for name in self.seen], dim=1)
        embedded = per_cell(self.embed, cells)  # (B, width, *space)
        embedded = embedded + per_cell(self.bring, self.attended(view, embedded))
        inner = F.gelu(per_cell(self.hidden, normed(self.between, embedded)))
        embedded = embedded + per_cell(self.net, inner)
        return per_cell(self.change, normed(self.after, embedded))

    def attended(self, view: View, embedded: Tensor) -> Tensor:
        """Return what the heads bring to each cell, one after the other: `(B, width, *space)`."""
        cells = normed(self.before, embedded)
        query, key, value = (per_cell(net, cells) for net in (self.query, self.key, self.value))
        query = self._split(query) / (query.shape[1] // self.heads) ** 0.5  # (B, heads, D, *space)
        seen = [self._split(one) for one in view.shifted(key, self.radius)]
        energy = torch.stack([(query * one).sum(dim=2) for one in seen], dim=1)
        energy = energy + self.bias.view(1, *self.bias.shape, *(1,) * (energy.ndim - 3))
        if "zeros" in view.topology.of(energy.ndim - 3):  # no cell is beyond such an edge
            there = view.neighbours(torch.ones_like(embedded[:1, :1]), self.radius) > 0
            energy = energy.masked_fill(~there, -torch.inf)
        weights = torch.softmax(energy, dim=1).unsqueeze(3)  # (B, N, heads, 1, *space)
        others = view.shifted(value, self.radius)
        pairs = zip(weights.unbind(dim=1), others, strict=True)
        brought = [weight * self._split(other) for weight, other in pairs]
        return torch.stack(brought).sum(dim=0).flatten(1, 2)

    def _split(self, cells: Tensor) -> Tensor:
        return cells.unflatten(1, (self.heads, -1))


def normed(norm: nn.LayerNorm, cells: Tensor) -> Tensor:
    """Return the cells of `(B, C, *space)`, the channels of each brought to mean 0, variance 1."""
    return norm(cells.movedim(1, -1)).movedim(-1, 1)
