"""Gray-Scott: two substances that diffuse and react, in spots, stripes and waves (Pearson 1993)."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor

from nca import Fault, Needs, OptionError, RuleContext, UpdateRule, View, register
from nca.types import Fraction

Diffusion = Annotated[float, Gt(0), Le(0.5)]
"""How much of the difference to a neighbour flows in a step."""


@register.rule("gray_scott")
class GrayScott(UpdateRule):
    """A substance feeds another, which multiplies by it and decays.

    The first channel holds `u`, which is fed; the second `v`, which is killed. A step is

        u' = u + Du lap u - u v^2 + F (1 - u)
        v' = v + Dv lap v + u v^2 - (F + k) v

    where `lap` is the sum of the differences to the nearest cells along each axis. Everywhere
    `u = 1`, `v = 0` is a rest; what is to happen needs a spot of `v`.

    Args:
        context: Where the rule stands.
        feed: `F`: the share of what is missing of `u` that is supplied in a step.
        kill: `k`: the share of `v` that is taken away, beside `F`.
        diffusion: `Du`, how fast `u` spreads; above `1 / (2 axes)` it would oscillate.
        diffusion_killed: `Dv`, how fast `v` spreads.

    Raises:
        OptionError: A substance spreads too fast for the grid.
    """

    needs = Needs(channels=2, states="unit")
    cellwise = True
    adjustable: Mapping[str, tuple[str, float, float]] = {
        "feed": ("feed", 0.0, 0.1),
        "kill": ("kill", 0.03, 0.08),
    }

    def __init__(
        self,
        context: RuleContext,
        *,
        feed: Fraction = 0.035,
        kill: Fraction = 0.065,
        diffusion: Diffusion = 0.16,
        diffusion_killed: Diffusion = 0.08,
    ) -> None:
        super().__init__()
        self.feed, self.kill = feed, kill
        self.diffusion = {"diffusion": diffusion, "diffusion_killed": diffusion_killed}
        if wrong := list(self._too_fast(context.axes)):
            raise OptionError(wrong, "GrayScott(...)")

    def forward(self, view: View) -> Tensor:
        """Return the change of both substances."""
        own = view.own
        u, v = own[:, :1], own[:, 1:]
        eaten = u * v * v
        made = torch.cat([self.feed * (1 - u) - eaten, eaten - (self.feed + self.kill) * v], dim=1)
        rates = own.new_tensor([*self.diffusion.values()]).view(2, *(1,) * (own.ndim - 2))
        seen = view.shifted(own)
        middle = len(seen) // 2
        nearest = [3**axis for axis in range(len(seen)) if 3**axis <= middle]
        beside = sum(seen[middle + place] + seen[middle - place] for place in nearest)
        return made + rates * (beside - 2 * len(nearest) * own)

    def _too_fast(self, axes: int) -> Iterator[Fault]:
        most = 1 / (2 * axes)
        for name, number in self.diffusion.items():
            if number > most:
                words = f"is {number:g}, too fast for a grid of {axes} axes: it would oscillate"
                yield Fault((name,), words, f"at most {most:.4g}")
