"""Exponential moving average of the trained weights: what is validated, saved as best and shown."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class EMA:
    """The exponential moving average of all trained weights.

    Early on the average is shorter, `(1 + t) / (10 + t)`, so that it forgets where it began.

    Args:
        modules: Whose weights are averaged, from what they are now.
        decay: Share of the average that an update keeps.
    """

    def __init__(self, modules: nn.ModuleDict, decay: float) -> None:
        self.modules = modules
        self.decay = decay
        self.tensors = {n: p.detach().clone() for n, p in modules.named_parameters()}

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Move a little towards the weights as they are now."""
        decay = min(self.decay, (1 + iteration) / (10 + iteration))
        for name, weight in self.modules.named_parameters():
            self.tensors[name].lerp_(weight, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the average and the weights; a second call puts both back."""
        for name, weight in self.modules.named_parameters():
            average = self.tensors[name]
            weight.data, self.tensors[name] = average, weight.data


@contextmanager
def ema_weights(ema: EMA | None) -> Iterator[None]:
    """Put the averaged weights in place for a while; without an average, change nothing."""
    if ema is None:
        yield
        return
    ema.swap()
    try:
        yield
    finally:
        ema.swap()
