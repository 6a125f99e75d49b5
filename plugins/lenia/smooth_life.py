"""SmoothLife: Conway's Life of discs and rings in place of cells and neighbours (Rafler 2011)."""

from typing import Annotated, TypeAlias

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nca import Fault, Needs, OptionError, RuleContext, UpdateRule, View, register
from nca.types import Fraction, Positive

Interval: TypeAlias = tuple[Fraction, Fraction]
"""From where to where, both from 0 to 1."""


@register.rule("smooth_life")
class SmoothLife(UpdateRule):
    """A disc lives by how full it is, and how full the ring around it is.

    With the filling `m` of the disc and `n` of the ring, and logistic steps of the widths
    `alpha_n` and `alpha_m` in place of sharp ones, the aim of a cell is 1 where `n` lies in an
    interval that is the one of birth where the disc is empty, and that of survival where it is
    full. A cell goes a share of the way, clipped to 0 and 1 (Rafler 2011, arXiv 1111.1567):

        A' = clip(A + (2 aim(n, m) - 1) / T, 0, 1)

    Args:
        context: Where the rule stands.
        radius: `ra`: of the ring, in cells; that of the disc is a third of it.
        birth: `b1` and `b2`: how full the ring of an empty disc is where the disc comes to life.
        survival: `d1` and `d2`: how full that of a full disc is where it stays alive.
        widths: `alpha_n` and `alpha_m`: of the steps for the ring and for the disc.
        resolution: `T`: steps in a unit of time.

    Raises:
        OptionError: An interval that ends before it begins.
    """

    needs = Needs(states="unit", mean=0.3)
    kernels: Tensor

    def __init__(
        self,
        context: RuleContext,
        *,
        radius: Annotated[float, Ge(3), Le(128)] = 12.0,
        birth: Interval = (0.278, 0.365),
        survival: Interval = (0.267, 0.445),
        widths: tuple[Positive, Positive] = (0.028, 0.147),
        resolution: Annotated[float, Ge(1), Le(1000)] = 10.0,
    ) -> None:
        super().__init__()
        named = {"birth": birth, "survival": survival}
        wrong = [
            Fault((name,), f"is {list(given)}", f"give the smaller number first: {sorted(given)}")
            for name, given in named.items()
            if given[0] > given[1]
        ]
        if wrong:
            raise OptionError(wrong, "SmoothLife(...)")
        self.birth, self.survival, self.widths = birth, survival, widths
        self.resolution = resolution
        self.radius = int(radius + 0.5)
        kernels = _disc_and_ring(radius, context.axes).to(torch.get_default_dtype())
        channels = context.own.channels
        both = kernels.unsqueeze(1).repeat(channels, *(1,) * (kernels.ndim))
        self.register_buffer("kernels", both, persistent=False)
        self.adjustable = {"steps in a unit of time": ("resolution", 1.0, 50.0)}

    def forward(self, view: View) -> Tensor:
        """Return a share of the way to life or death."""
        own = view.own
        full = view.convolve(own, self.kernels, groups=own.shape[1])
        disc, ring = full.unflatten(1, (-1, 2)).unbind(dim=2)  # (B, C, *space)
        return (own + (2 * self.aim(ring, disc) - 1) / self.resolution).clamp(0, 1) - own

    def aim(self, ring: Tensor, disc: Tensor) -> Tensor:
        """Return how alive a cell is to be, from 0 to 1."""
        width, mixing = self.widths
        alive = torch.sigmoid((disc - 0.5) * (4 / mixing))
        low, high = (b + (s - b) * alive for b, s in zip(self.birth, self.survival, strict=True))
        above = torch.sigmoid((ring - low) * (4 / width))
        return above * torch.sigmoid((high - ring) * (4 / width))


def _disc_and_ring(radius: float, axes: int) -> Tensor:
    """Return a disc and the ring around it, each summing to 1, float64 `(2, *kernel)`.

    Cells on an edge count by how much of them lies inside.
    """
    reach = int(radius + 0.5)
    line = torch.arange(-reach, reach + 1, dtype=torch.float64)
    squares = [line.view(-1, *(1,) * (axes - 1 - axis)).square() for axis in range(axes)]
    far = torch.stack(torch.broadcast_tensors(*squares)).sum(dim=0).sqrt()
    inner, outer = ((edge + 0.5 - far).clamp(0, 1) for edge in (radius / 3, radius))
    both = torch.stack([inner, outer - inner])
    return both / both.flatten(1).sum(dim=1).view(2, *(1,) * axes)
