"""Devices: which one a run takes, and what it is called."""

import torch

from nca.errors import DeviceError


def pick_device(wanted: str) -> torch.device:
    """Return the device of that name; `auto` takes a GPU where there is one.

    Raises:
        DeviceError: The device is not there.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(
            f"there is no device {wanted!r}.",
            where="--device",
            to_do="choose auto, cpu, cuda, or one GPU by its number: cuda:1",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"torch {torch.__version__} finds no GPU for {wanted!r}.",
            where=f"--device {wanted}",
            to_do="use --device cpu, or check the driver with nvidia-smi and that torch was "
            "installed with CUDA",
        )
    return device


def hardware(device: torch.device) -> str:
    """Return what the figures were measured on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
