"""The numbers that sums are taken in: float64, but on devices that have none.

Apple's GPUs (`mps`) have no float64: a tensor of it cannot even be made there. Whoever sums on
the device of a state asks here; metrics are summed on the host, see `nca.metrics.Share`.
"""

import torch
from torch import Tensor

WITHOUT_FLOAT64 = {"mps"}
"""Types of device without float64."""


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 for a device that has no float64."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


def wide(tensor: Tensor) -> Tensor:
    """Return a tensor in the widest numbers that its device has, and on that device."""
    return tensor.to(widest(tensor.device))


def on_host(tensor: Tensor) -> Tensor:
    """Return a tensor in float64 on the CPU, whatever its device; its numbers are unchanged."""
    return tensor.cpu().double()
