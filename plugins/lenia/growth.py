"""What kernels and growth functions make of a level: the part that all kinds of Lenia share.

Legend: B batch, K kernel, C channel; `*space` the axes of the grid.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from nca import View
from nca_plugins.lenia.kernels import GROWTHS, LeniaKernel


class GrowthField(nn.Module):
    """The growth of each channel, from -1 to 1: `sum over k of h_k G_k(K_k * A) / sum of h_k`.

    Args:
        kernels: At least one.
        channels: Of the level.
        axes: Of the grid.
        learned: Whether means, deviations and the heights of rings are weights. They are learned
            as logarithms of factors, which are 1 at first.

    Attributes:
        kernels: In the order in which they are computed: by the channel that they read.
        means: `mu` of each kernel before it is multiplied by what is learned, `(K,)`.
        deviations: `sigma`, likewise.
    """

    means: Tensor
    deviations: Tensor
    shares: Tensor

    def __init__(
        self, kernels: Sequence[LeniaKernel], channels: int, axes: int, *, learned: bool = False
    ) -> None:
        super().__init__()
        self.kernels = sorted(kernels, key=lambda kernel: kernel.source)
        kind = torch.get_default_dtype()
        fixed = {
            "means": torch.tensor([kernel.mean for kernel in self.kernels]),
            "deviations": torch.tensor([kernel.deviation for kernel in self.kernels]),
            "shares": self._shares(channels),
        }
        for name, numbers in fixed.items():
            self.register_buffer(name, numbers.to(kind), persistent=False)
        self.sources = sorted({kernel.source for kernel in kernels})
        for source in self.sources:
            own = [kernel for kernel in self.kernels if kernel.source == source]
            reach = max(kernel.reach for kernel in own)
            shells = [kernel.shells(axes, reach) for kernel in own]
            most = max(map(len, shells))
            stacked = torch.stack([_padded(shell, most) for shell in shells])  # (K, ring, *kernel)
            kept = stacked if learned else _weighed(stacked.sum(dim=1))
            self.register_buffer(f"kernel_{source}", kept.to(kind), persistent=False)
        rings = max(len(kernel.rings) for kernel in kernels)
        self.mean_gain = nn.Parameter(torch.zeros(len(kernels))) if learned else None
        self.deviation_gain = nn.Parameter(torch.zeros(len(kernels))) if learned else None
        several = learned and rings > 1  # the height of a single ring makes no difference
        self.ring_gain = nn.Parameter(torch.zeros(len(kernels), rings)) if several else None

    def forward(self, view: View) -> Tensor:
        """Return the growth of each channel of the level, `(B, C, *space)`."""
        parts = [
            view.convolve(view.own[:, source : source + 1], kernel)
            for source, kernel in zip(self.sources, self.weights(), strict=True)
        ]
        seen = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)  # (B, K, *space)
        grown = self._grown(seen)
        if self.shares.shape == (1, 1):
            return grown
        shares = self.shares.to(grown.dtype)
        return torch.einsum("ck,bk...->bc...", shares, grown)

    def weights(self) -> list[Tensor]:
        """Return the kernels of each source, `(K of it, 1, *kernel)`; each one sums to 1."""
        found, first = [], 0
        for source in self.sources:
            kernel: Tensor = getattr(self, f"kernel_{source}")
            if self.mean_gain is not None:  # the rings are still apart
                count, rings = kernel.shape[:2]
                if self.ring_gain is not None:
                    gain = self.ring_gain[first : first + count, :rings].exp()
                    kernel = kernel * gain.view(count, rings, *(1,) * (kernel.ndim - 2))
                kernel, first = _weighed(kernel.sum(dim=1)), first + count
            found.append(kernel)
        return found

    def mean(self) -> Tensor:
        """Return the mean of each growth function, `(K,)`."""
        return self.means if self.mean_gain is None else self.means * self.mean_gain.exp()

    def deviation(self) -> Tensor:
        """Return the deviation of each growth function, `(K,)`."""
        if self.deviation_gain is None:
            return self.deviations
        return self.deviations * self.deviation_gain.exp()

    def turn(self, what: Literal["mean", "deviation"], number: float) -> None:
        """Give all growth functions another mean or deviation."""
        fixed, gain = (
            (self.means, self.mean_gain)
            if what == "mean"
            else (self.deviations, self.deviation_gain)
        )
        with torch.no_grad():
            fixed.copy_(number / (torch.ones_like(fixed) if gain is None else gain.exp()))
        pairs = zip(self.kernels, fixed.tolist(), strict=True)
        self.kernels = [replace(kernel, **{what: each}) for kernel, each in pairs]

    def _grown(self, seen: Tensor) -> Tensor:
        """Return the growth that each kernel asks for, `(B, K, *space)`."""
        shape = (-1, *(1,) * (seen.ndim - 2))
        mean, deviation = self.mean().to(seen.dtype), self.deviation().to(seen.dtype)
        middle, scale = mean.view(shape), (1 / deviation).view(shape)
        if torch.is_grad_enabled():
            far = ((seen - middle) * scale).square()
        else:  # fresh memory costs as much as what is computed in it
            far = seen.sub_(middle).mul_(scale).square_()
        kinds = [kernel.growth for kernel in self.kernels]
        if len(set(kinds)) == 1:
            grown = GROWTHS[kinds[0]](far)
            return 2 * grown - 1 if torch.is_grad_enabled() else grown.mul_(2).sub_(1)
        parts = [GROWTHS[kind](far[:, k : k + 1]) for k, kind in enumerate(kinds)]
        return 2 * torch.cat(parts, dim=1) - 1

    def _shares(self, channels: int) -> Tensor:
        """Return how much each kernel counts for each channel, `(C, K)`."""
        weights = torch.zeros(channels, len(self.kernels), dtype=torch.float64)
        for number, kernel in enumerate(self.kernels):
            weights[kernel.target, number] = kernel.weight
        return weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-12)


def _padded(shells: Tensor, rings: int) -> Tensor:
    """Return rings with empty ones behind them."""
    return torch.cat([shells, shells.new_zeros(rings - len(shells), *shells.shape[1:])])


def _weighed(kernels: Tensor) -> Tensor:
    """Return kernels `(K, *kernel)` that sum to 1, `(K, 1, *kernel)`."""
    total = kernels.sum(dim=tuple(range(1, kernels.ndim)), keepdim=True)
    return (kernels / total).unsqueeze(1)
