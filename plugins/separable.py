"""Separable perception: what a cell perceives, in few numbers.

Each hidden unit of a cell mixes the channels first, the same way at every neighbour, and then
weighs the neighbourhood with a kernel of its own (blueprint separable convolutions, Haase and
Amthor 2020, arXiv 2003.13549). That takes `C + 9` numbers for a unit in place of `9 C`; the sum
of several such products, their rank, comes nearer to a kernel of all `9 C`.
"""

import math

import torch
from torch import Tensor, nn

from nca import Correlation, Layer, MLPTerm, Program, RuleContext, UpdateRule, register
from nca.types import Units
from nca_plugins.glom.nets import SHOWN, Shown


@register.rule("separable")
class Separable(UpdateRule):
    """Separable 3-wide perception of the levels below and own, one hidden layer, a change.

    Args:
        context: Where the rule stands; it reads the level below beside its own.
        hidden: Units of the hidden layer.
        rank: Mixes of channels, and as many kernels, whose products a unit adds.
        shown: How cells show their own level to the net; see `bottom_up`.
    """

    reads = ("below", "own")
    cellwise = True

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 16,
        rank: Units = 1,
        shown: Shown = "plain",
    ) -> None:
        super().__init__()
        below, own = context.below.channels, context.own.channels
        std = 1 / math.sqrt(rank * (below + own))
        self.mix_below = _drawn(rank, hidden, below, std=std)
        self.mix_own = _drawn(rank, hidden, own, std=std)
        self.kernels = _drawn(rank, hidden, *(3,) * context.axes, std=3 ** (-context.axes / 2))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.change = nn.Linear(hidden, own)
        nn.init.xavier_uniform_(self.change.weight, gain=0.5)
        nn.init.zeros_(self.change.bias)
        self.cell_map = SHOWN[shown]

    def program(self) -> Program:
        """Return the change: separable kernels over both levels, and one layer."""
        perceptions = (
            Correlation("below", self._kernel(self.mix_below), self.bias),
            Correlation("own", self._kernel(self.mix_own), cell_map=self.cell_map),
        )
        layer = Layer(self.change.weight, self.change.bias, "relu")
        return Program((MLPTerm(perceptions, (layer,)),))

    def _kernel(self, mix: Tensor) -> Tensor:
        """Return the kernel that mixes channels and weighs neighbours, `(hidden, C, *kernel)`."""
        return torch.einsum("rhc,rh...->hc...", mix, self.kernels)


def _drawn(*shape: int, std: float) -> nn.Parameter:
    return nn.Parameter(std * torch.randn(shape))
