"""Roofline of the device: its matrix products and copies per second, measured first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from nca.bench.flops import WorkPerCell
from nca.bench.timing import Clock

SECONDS = 0.3
"""How long each measurement repeats; the best repetition counts."""


@dataclass(frozen=True)
class Roofline:
    """What the device does in one second.

    Attributes:
        products: Operations of a large square matrix product, by dtype.
        copied: Bytes read and written by a copy that fits in no cache.
    """

    products: dict[str, float]
    copied: float

    @classmethod
    def measure(cls, device: torch.device, clock: Clock) -> "Roofline":
        """Measure both."""
        side = 8192 if device.type == "cuda" else 1024
        products = {}
        for dtype in (torch.float32, torch.bfloat16):
            left, right = (torch.rand(side, side, device=device, dtype=dtype) for _ in "ab")
            target = torch.empty_like(left)
            seconds = _best(lambda a=left, b=right, t=target: torch.mm(a, b, out=t), clock)
            products[_name(dtype)] = 2 * side**3 / seconds
        source = torch.rand((1 << 28 if device.type == "cuda" else 1 << 25), device=device)
        target = torch.empty_like(source)
        copied = 2 * source.nbytes / _best(lambda: target.copy_(source), clock)
        return cls(products, copied)

    def floor(self, work: WorkPerCell, dtype: torch.dtype) -> tuple[float, str]:
        """Return the least seconds that some work can take, and what it waits for."""
        computing = work.operations / self.products[_name(dtype)]
        moving = work.moved / self.copied
        return max(computing, moving), "products" if computing >= moving else "copies"

    def to_json(self) -> dict[str, Any]:
        """Return the ceiling for JSON."""
        return {
            **{f"{dtype}_gflops": round(each / 1e9, 1) for dtype, each in self.products.items()},
            "copy_gb_per_second": round(self.copied / 1e9, 1),
        }


def _best(work: Callable[[], object], clock: Clock) -> float:
    work()
    spent, best = 0.0, float("inf")
    while spent < SECONDS:
        seconds = clock.seconds(work)
        spent, best = spent + seconds, min(best, seconds)
    return best


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
