"""Devices: which one a run takes, and what it is called.

`--device auto` takes the first GPU if torch sees one, else the CPU; `cpu`, `cuda` and `cuda:1` say
which. States, random numbers and results are the same on every device up to rounding; fire masks
and noise have the same bits.

On a CUDA device, automata whose rules declare a `program()` of one hidden layer with relu take a
step in one launch of a Triton program, forward and backward; `nca help speed` has the limits. The
first time on a device a fused step is compared with a plain one, and given up with a warning if
they differ. The programs equal the plain step under Triton's interpreter (1e-5 in float32,
gradients too) and compile for Hopper cards; they have not run on a card yet. No recipe that comes
along was trained on a GPU. `--device cuda` has tests of its own (`pytest -m gpu`), which have not
run on one either.
"""

import time
from collections.abc import Callable

import torch

from nca.engine.convolve import lend_clock
from nca.errors import DeviceError

lend_clock(time.perf_counter)


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
    count = torch.get_num_threads()
    return f"CPU, {count} {'thread' if count == 1 else 'threads'}"


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return how long a call takes, until a GPU is done with it."""
    begun = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun
