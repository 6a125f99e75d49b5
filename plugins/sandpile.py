"""The abelian sandpile (Bak, Tang, Wiesenfeld 1987; Dhar 1990): grains pile up and topple.

A cell with as many grains as it has neighbours, four in two axes, gives one to each of them; with
twice as many it gives two, and so on. In which order cells topple makes no difference to what is
left, nor to how often each has toppled; here all do at once. Over an edge of zeros grains are
lost, so that every pile comes to rest; on a torus too many grains topple for ever.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nca import Needs, RuleContext, UpdateRule, View, register
from nca.types import PictureSide

Grains = Annotated[int, Ge(0), Le(1 << 24)]
"""Grains of one cell: as many as a float32 counts."""


@register.rule("sandpile")
class Sandpile(UpdateRule):
    """Topple where there are as many grains as neighbours, two along each axis.

    Every channel is a pile of its own.

    Args:
        context: Where the rule stands.
    """

    needs = Needs(states="whole")
    around: Tensor

    def __init__(self, context: RuleContext) -> None:
        super().__init__()
        axes = context.axes
        self.neighbours = 2 * axes
        around = torch.zeros((3,) * axes)
        for axis in range(axes):
            for end in (0, 2):
                around[tuple(end if other == axis else 1 for other in range(axes))] = 1
        self.register_buffer("around", around.unsqueeze(0), persistent=False)

    def forward(self, view: View) -> Tensor:
        """Return what neighbours give to a cell, less what it gives to them."""
        toppled = (view.own / self.neighbours).floor().clamp(min=0)
        given = view.stencils(toppled, self.around.to(toppled))
        return given - self.neighbours * toppled


@register.pattern("heap")
def heap(*, grains: Grains = 4096) -> Tensor:
    """Return grains on one cell."""
    return torch.full((1, 1, 1), float(grains))


@register.pattern("plateau")
def plateau(*, side: PictureSide = 61, grains: Grains = 6) -> Tensor:
    """Return a square of cells that hold as many grains each."""
    return torch.full((1, side, side), float(grains))
