"""The kernels and growth functions of Lenia (Chan 2019, 2020).

A kernel is a stack of rings around a cell. With `r` the distance to a cell by the kernel's radius
`R`, from 0 to 1, and `beta` the heights of its `n` rings, its number there is

    beta[floor(n r)] core(n r mod 1),      over the sum of all its numbers

and a growth function says what becomes of a cell whose surroundings the kernel has weighed: how
near is their mean `u` to `mu`, in units of `sigma`?

Legend: B batch, K kernel, C channel; `*kernel` the sides of a kernel.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Gt, Le, Len
from torch import Tensor

from nca import Fault, Options
from nca.types import Fraction, Natural, Positive

Core: TypeAlias = Literal["exponential", "polynomial", "step", "gaussian"]
"""The shape of a ring, from its inner edge to its outer one."""

Growth: TypeAlias = Literal["exponential", "polynomial", "step"]
"""The shape of growth, around its mean."""

CORES: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential": lambda r: torch.exp(4 - 1 / (r * (1 - r)).clamp(min=1e-9)),
    "polynomial": lambda r: (4 * r * (1 - r)) ** 4,
    "step": lambda r: ((r >= 0.25) & (r <= 0.75)).to(r.dtype),
    "gaussian": lambda r: torch.exp(-((r - 0.5) ** 2) / (2 * 0.15**2)),
}

GROWTHS: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential": lambda z: _bell(z),
    "polynomial": lambda z: (1 - z / 9).clamp(min=0) ** 4,
    "step": lambda z: (z <= 1).to(z.dtype),
}
"""Growth from 0 to 1, of the square of the distance to the mean in deviations, which is theirs to
overwrite where no gradient is asked for."""


def _bell(z: Tensor) -> Tensor:
    """Return `exp(-z / 2)`, never so small that a processor takes ten times as long for it."""
    most = 1400.0 if z.dtype == torch.float64 else 160.0
    if torch.is_grad_enabled():
        return torch.exp(-0.5 * z.clamp(max=most))
    return z.clamp_(max=most).mul_(-0.5).exp_()


@dataclass(frozen=True)
class LeniaKernel(Options):
    """One kernel of Lenia with its growth function; the letters are those of the papers.

    Attributes:
        radius: `R`: how far it reaches, in cells.
        rings: `beta`: heights of its rings, from the middle outwards.
        core: The shape of each ring: `exponential` and `polynomial` bumps that end in zero, a
            `step` from a quarter to three quarters of it, or a `gaussian` of deviation 0.15.
        mean: `mu`: the surroundings in which a cell grows fastest.
        deviation: `sigma`: how far from them it still grows.
        growth: The shape of growth: `exponential`, a `polynomial` that ends at three deviations,
            or a `step` of one.
        weight: `h`: how much its growth counts among those with the same target; their mean, so
            weighed, is what changes the target.
        source: `c0`: the channel whose surroundings it weighs.
        target: `c1`: the channel that grows.
    """

    radius: Annotated[float, Gt(1), Le(256)] = 13.0
    rings: Annotated[tuple[Fraction, ...], Len(1, 8)] = (1.0,)
    core: Core = "gaussian"
    mean: Fraction = 0.15
    deviation: Positive = 0.015
    growth: Growth = "exponential"
    weight: Positive = 1.0
    source: Natural = 0
    target: Natural = 0

    @property
    def reach(self) -> int:
        """How many cells it reaches along an axis."""
        return -int(-self.radius // 1) - 1

    def conflicts(self) -> Iterator[Fault]:
        """Yield the fault of rings that no cell stands in."""
        if not any(self.rings):
            yield Fault(("rings",), "has no height above 0", "give one ring a height of 1.0")
            return
        with torch.device("cpu"):  # a rule may be built without numbers
            empty = not self.shells(1).any()
        if empty:
            words = "is so small that no cell stands in a ring"
            yield Fault(("radius",), words, "give it a few cells more")

    def shells(self, axes: int, reach: int | None = None) -> Tensor:
        """Return the rings, each at its height, float64 `(ring, *kernel)`.

        Args:
            axes: Of the grid.
            reach: Cells on each side of the middle, if more than it needs.
        """
        reach = self.reach if reach is None else reach
        line = torch.arange(-reach, reach + 1, dtype=torch.float64)
        squares = [line.view(-1, *(1,) * (axes - 1 - axis)).square() for axis in range(axes)]
        place = len(self.rings) * torch.stack(torch.broadcast_tensors(*squares)).sum(0).sqrt()
        place = place / self.radius
        inside = CORES[self.core](place.remainder(1))
        heights = enumerate(self.rings)
        return torch.stack([height * inside * (place.floor() == ring) for ring, height in heights])


def faults(kernels: Sequence[LeniaKernel], channels: int) -> Iterator[Fault]:
    """Yield what is wrong with kernels of a level of so many channels."""
    for number, kernel in enumerate(kernels):
        for key in ("source", "target"):
            channel = getattr(kernel, key)
            if channel >= channels:
                words = f"is {channel}, but the level has {channels} channels, counted from 0"
                to_do = f"0 to {channels - 1}" if channels > 1 else "0 is its only one"
                yield Fault(("kernels", number, key), words, to_do)
