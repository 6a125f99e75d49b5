"""Separable perception: what a cell perceives, in few numbers.

Each hidden unit of a cell mixes the channels first, the same way at every neighbour, and then
weighs the neighbourhood with a kernel of its own (blueprint separable convolutions, Haase and
Amthor 2020, arXiv 2003.13549). That takes `C + 9` numbers for a unit in place of `9 C`; the sum
of several such products, their rank, comes nearer to a kernel of all `9 C`. Where
all units weigh by the same few stencils, they cost no numbers, and a unit mixes the channels once
for each stencil.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from nca import (
    Correlation,
    Fault,
    Layer,
    MLPTerm,
    OptionError,
    Program,
    RuleContext,
    UpdateRule,
    register,
    stencils,
)
from nca.types import Units
from nca_plugins.glom.nets import SHOWN, Activation, Shown


@register.rule("separable")
class Separable(UpdateRule):
    """Separable 3-wide perception of the levels below and own, one hidden layer, a change.

    Args:
        context: Where the rule stands; it reads the level below beside its own.
        hidden: Units of the hidden layer.
        rank: Mixes of channels, and as many kernels, whose products a unit adds.
        kernels: What a unit weighs its neighbours by: `learned` kernels of its own, as many as its
            rank, or the `stencils` of growing automata, identity, slopes and Laplacian, which all
            units share, and each mixes the channels for; they have no rank.
        activation: What the units do with their sum.
        shown: How cells show their own level to the net; see `bottom_up`.
    """

    reads = ("below", "own")
    cellwise = True
    kernels: Tensor  # (rank, hidden, *kernel), or, shared by all units, (rank, 1, *kernel)

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 16,
        rank: Units = 1,
        kernels: Literal["learned", "stencils"] = "learned",
        activation: Activation = "relu",
        shown: Shown = "plain",
    ) -> None:
        super().__init__()
        below, own = context.below.channels, context.own.channels
        shared = _stencils(context.axes) if kernels == "stencils" else None
        if shared is not None:
            if rank > 1:
                bad = Fault(("rank",), f"is {rank}, and stencils have none", "leave it out")
                raise OptionError([bad], f'rule "separable" of level "{context.name}"')
            rank = len(shared)
        std = 1 / math.sqrt(rank * (below + own))
        self.mix_below = _drawn(rank, hidden, below, std=std)
        self.mix_own = _drawn(rank, hidden, own, std=std)
        if shared is None:
            self.kernels = _drawn(rank, hidden, *(3,) * context.axes, std=3 ** (-context.axes / 2))
        else:
            self.register_buffer("kernels", shared.unsqueeze(1), persistent=False)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.change = nn.Linear(hidden, own)
        nn.init.xavier_uniform_(self.change.weight, gain=0.5)
        nn.init.zeros_(self.change.bias)
        self.activation: Activation = activation
        self.cell_map = SHOWN[shown]

    def program(self) -> Program:
        """Return the change: separable kernels over both levels, and one layer."""
        perceptions = (
            Correlation("below", self._kernel(self.mix_below), self.bias),
            Correlation("own", self._kernel(self.mix_own), cell_map=self.cell_map),
        )
        layer = Layer(self.change.weight, self.change.bias, self.activation)
        return Program((MLPTerm(perceptions, (layer,)),))

    def _kernel(self, mix: Tensor) -> Tensor:
        """Return the kernel that mixes channels and weighs neighbours, `(hidden, C, *kernel)`."""
        kernels = self.kernels.to(mix).expand(-1, mix.shape[1], *self.kernels.shape[2:])
        return torch.einsum("rhc,rh...->hc...", mix, kernels)


def _drawn(*shape: int, std: float) -> nn.Parameter:
    return nn.Parameter(std * torch.randn(shape))


def _stencils(axes: int) -> Tensor:
    """Return identity, slopes and Laplacian, `(axes + 2, *kernel)`, each of length 1."""
    found = [stencils.identity(axes), *stencils.gradients(axes), stencils.laplacian(axes)]
    return torch.stack([kernel / kernel.norm() for kernel in found]).float()
