"""How much memory a machine has, and the refusal of tensors that alone exceed it."""

import math
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from nca.errors import ShapeError

FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}


def capacity(device: torch.device) -> int | None:
    """Return how many bytes of memory a device has in all; None where that is unknown.

    Apple's GPUs share that of the CPU.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type not in ("cpu", "mps") or not hasattr(os, "sysconf"):
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def in_bytes(count: float) -> str:
    """Return a number of bytes in words: `1.3 GB`."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    power = min(int(math.log10(max(count, 1)) / 3), len(units) - 1)
    return f"{count / 1000**power:,.3g} {units[power]}" if power < 5 else f"{count:.1e} bytes"


def refuse_beyond(count: int, device: torch.device, what: str, to_do: str) -> None:
    """Refuse what takes more bytes than the device has.

    Args:
        count: The bytes.
        device: Where they would lie.
        what: What they are.
        to_do: What to make smaller.

    Raises:
        ShapeError: They do not fit.
    """
    there = capacity(device)
    if there is not None and count > there:
        raise ShapeError(
            f"{what} takes {in_bytes(count)}, and there are {in_bytes(there)} in all.",
            where=f"the memory of {device}",
            to_do=to_do,
        )


class WeightBudget(TorchFunctionMode):
    """Counts the tensors that are made inside the block, and refuses what no memory can hold.

    Weights are filled as soon as they are made: without it, a system that promises more memory
    than it has ends the process.

    Args:
        what: Whose tensors they are, for the error.

    Raises:
        ShapeError: Inside the block: all that was made takes more than the machine has.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.bytes = what, 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Count what a function makes before it makes it."""
        kwargs = kwargs or {}
        if func in FACTORIES:
            device = torch.device(kwargs.get("device") or "cpu")
            size = kwargs.get("dtype") or torch.get_default_dtype()
            self.bytes += _numel(args, kwargs) * size.itemsize
            to_do = "give it fewer channels, units or cells"
            refuse_beyond(self.bytes, device, self.what, to_do)
        return func(*args, **kwargs)


def _numel(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    size = kwargs.get("size", args)
    first = size[0] if size else ()
    if isinstance(first, Sequence):
        size = first
    return math.prod(side for side in size if isinstance(side, int))
