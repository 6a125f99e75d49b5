"""Devices: which one a run takes, and what it is called.

`--device auto` takes the first CUDA GPU if torch sees one, else the CPU; `cpu`, `cuda`, `cuda:1`
and `mps` say which. States, random numbers and results are the same on every device up to
rounding; fire masks and noise have the same bits.

On a CUDA device, automata whose rules declare a `program()` of perception and layers take a step
in one launch of a Triton program, forward and backward; `nca help speed` has the limits. The first
time on a device a fused step is compared with a plain one, and given up with a warning if they
differ. The programs equal the plain step under Triton's interpreter (1e-5 in float32,
gradients too) and compile for Hopper cards; they have not run on a card yet. No recipe that comes
along was trained on a GPU. `--device cuda` has tests of its own (`pytest -m gpu`), which have not
run on one either.

`--device mps` takes an Apple GPU, and only if it is named: no Mac has run it. What a machine
without one can test is tested, on a device that torch is made to believe in: everything stays on
it, nothing there is float64 (metrics are summed on the CPU), products are those of float32 unless
the recipe says otherwise. A Mac shows before the first step whether it draws the numbers that
all other devices draw. What torch itself lacks there is said by name; PYTORCH_ENABLE_MPS_FALLBACK=1
in the environment lets the CPU compute it.
"""

import time
import warnings
from collections.abc import Callable

import torch

from nca.engine.convolve import lend_clock
from nca.engine.rng import CellRNG
from nca.engine.wide import widest
from nca.errors import DeviceError, NCAWarning

lend_clock(time.perf_counter)


def has_mps() -> bool:
    """Tell whether torch sees an Apple GPU."""
    return torch.backends.mps.is_available()


def pick_device(wanted: str) -> torch.device:
    """Return the device of that name; `auto` takes a CUDA GPU where there is one.

    Raises:
        DeviceError: The device is not there, or does not compute whole numbers as others do.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(
            f"there is no device {wanted!r}.",
            where="--device",
            to_do="choose auto, cpu, cuda, one GPU by its number (cuda:1), or mps",
        )
    if device.type == "mps":
        return _apple(wanted, device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"torch {torch.__version__} finds no GPU for {wanted!r}.",
            where=f"--device {wanted}",
            to_do="use --device cpu, or check the driver with nvidia-smi and that torch was "
            "installed with CUDA",
        )
    return device


def pick_exact_device(wanted: str) -> torch.device:
    """Return the device of that name, or the CPU, and say so, for one without float64.

    Raises:
        DeviceError: What `pick_device` raises.
    """
    device = pick_device(wanted)
    if widest(device) == torch.float64:
        return device
    warnings.warn(
        f"{device.type} has no float64, in which this is measured: the CPU measures it",
        NCAWarning,
        stacklevel=2,
    )
    return torch.device("cpu")


def demand_float64(device: torch.device) -> None:
    """Refuse to measure on a device without float64 what is measured in float64.

    Raises:
        DeviceError: It has none.
    """
    if widest(device) != torch.float64:
        raise DeviceError(
            f"{device.type} has no float64, in which this is measured.",
            where=f"a model on {device}",
            to_do='load it on the CPU: nca.load(..., device="cpu")',
        )


def _apple(wanted: str, device: torch.device) -> torch.device:
    """Return an Apple GPU, once its whole numbers are those of the CPU."""
    if not has_mps() or device.index:
        there = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise DeviceError(
            f"torch {torch.__version__} finds no Apple GPU for {wanted!r}: there is {there}.",
            where=f"--device {wanted}",
            to_do="use --device auto, which takes the fastest of what is there",
        )
    demand_counted_numbers(device)
    return device


def demand_counted_numbers(device: torch.device) -> None:
    """Refuse a device whose random numbers are not those of the CPU, bit for bit.

    Raises:
        DeviceError: They are others, so that no result could be had again elsewhere.
    """
    here, there = (
        CellRNG(2**40 + 7, 3, torch.arange(5, device=place)).normal("fire", 3, (9, 7)).cpu()
        for place in (torch.device("cpu"), device)
    )
    if not here.equal(there):
        raise DeviceError(
            f"{device} draws other random numbers than the CPU.",
            where=f"whole numbers of 32 bits in torch {torch.__version__} on {device}",
            to_do="use --device cpu, or another version of torch",
        )


def hardware(device: torch.device) -> str:
    """Return what the figures were measured on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    count = torch.get_num_threads()
    return f"CPU, {count} {'thread' if count == 1 else 'threads'}"


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return how long a call takes, until a GPU is done with it."""
    begun = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter() - begun
