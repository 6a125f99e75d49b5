"""Lenia: a continuous Game of Life, of wide kernels and smooth growth (Chan 2019, 2020)."""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, Len
from torch import Tensor

from nca import Needs, OptionError, RuleContext, UpdateRule, View, register
from nca_plugins.lenia.growth import GrowthField
from nca_plugins.lenia.kernels import LeniaKernel, faults

Kernels = Annotated[tuple[LeniaKernel, ...], Len(0, 64)]
"""Kernels of a rule; none: that of Orbium for each channel by itself."""


@register.rule("lenia")
class Lenia(UpdateRule):
    """A cell grows where its surroundings are near a mean, and decays elsewhere.

    With kernels `K`, growth functions `G` from -1 to 1 of mean `mu` and deviation `sigma`, and the
    time resolution `T`, a channel that holds numbers `A` from 0 to 1 becomes

        A' = clip(A + 1 / T  sum over k of h_k G_k(K_k * A_source) / sum over k of h_k, 0, 1)

    over the kernels `k` that target it (Chan 2019, arXiv 1812.05433; several channels and kernels
    as of Chan 2020, arXiv 2005.03742). Channels that none targets stay as they are.

    Args:
        context: Where the rule stands.
        kernels: Tables such as `{ radius = 13, rings = [1.0], mean = 0.15, deviation = 0.015 }`,
            with `core`, `growth`, `weight`, `source` and `target` where there are several; none:
            that of Orbium for each channel by itself.
        resolution: `T`: steps in a unit of time.
        learned: Whether means, deviations and heights of rings are learned.

    Raises:
        OptionError: A kernel of a channel that is not there.
    """

    needs = Needs(states="unit", mean=0.15)

    def __init__(
        self,
        context: RuleContext,
        *,
        kernels: Kernels = (),
        resolution: Annotated[float, Ge(1), Le(1000)] = 10.0,
        learned: bool = False,
    ) -> None:
        super().__init__()
        self.field = growth_field(context, kernels, learned=learned)
        self.radius = max(kernel.reach for kernel in self.field.kernels)
        self.resolution = resolution
        self.adjustable = {"steps in a unit of time": ("resolution", 1.0, 50.0)}
        if len(kernels) < 2:
            self.adjustable = {**self.adjustable, **controls(self.field.kernels[0])}

    @property
    def mean(self) -> float:
        """The mean of the first kernel's growth; once it is set, that of all."""
        return self.field.mean()[0].item()

    @mean.setter
    def mean(self, mean: float) -> None:
        self._turn("mean", mean)

    @property
    def deviation(self) -> float:
        """The deviation of the first kernel's growth; once it is set, that of all."""
        return self.field.deviation()[0].item()

    @deviation.setter
    def deviation(self, deviation: float) -> None:
        self._turn("deviation", deviation)

    def forward(self, view: View) -> Tensor:
        """Return what growth adds, so that numbers stay between 0 and 1."""
        own = view.own
        growth = self.field(view)
        if torch.is_grad_enabled():
            return torch.add(own, growth, alpha=1 / self.resolution).clamp(0, 1) - own
        return growth.mul_(1 / self.resolution).add_(own).clamp_(0, 1).sub_(own)

    def _turn(self, what: Literal["mean", "deviation"], number: float) -> None:
        self.field.turn(what, number)
        # what is saved from now on is what was turned
        self.given_options = {**self.given_options, "kernels": tuple(self.field.kernels)}


def growth_field(context: RuleContext, kernels: Kernels, *, learned: bool = False) -> GrowthField:
    """Return the growth of a level's channels.

    Args:
        context: Where the rule stands.
        kernels: Its kernels; none: that of Orbium for each channel by itself.
        learned: Whether it is learned.

    Raises:
        OptionError: A kernel of a channel that is not there.
    """
    channels = context.own.channels
    if wrong := list(faults(kernels, channels)):
        raise OptionError(wrong, f'kernels of level "{context.name}"')
    each = kernels or tuple(LeniaKernel(source=c, target=c) for c in range(channels))
    return GrowthField(each, channels, context.axes, learned=learned)


def controls(kernel: LeniaKernel) -> Mapping[str, tuple[str, float, float]]:
    """Return the controls of growth around the numbers that a kernel begins with."""
    return {
        "mean of growth": ("mean", 0.0, min(1.0, 2 * kernel.mean + 0.1)),
        "deviation of growth": ("deviation", kernel.deviation / 5, 5 * kernel.deviation),
    }
