"""Copies from the host to a device for which the host does not wait."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device, with its own dtype; the host goes on while it is copied.

    `tensor.to(device)` makes the host wait until a GPU has done all that it was asked for before.
    Inside an iteration of training nothing may wait; see `nca.HostRNG.host_samples` for the other
    way.

    Args:
        tensor: On the host, or on the device already.
        device: Where it is needed.
    """
    if tensor.device.type == "cpu" and device.type == "cuda":
        tensor = tensor.pin_memory()  # whose bytes stay until they are copied
    return tensor.to(device, non_blocking=True)
