"""Whether the tensors of a file are those that are wanted: names, shapes and types of numbers.

A weight may be kept as a floating-point number of 16, 32 or 64 bits, and becomes one of its
module's own type; whatever is no such number (bool, integers, 8 bits) must be of the very type.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from nca.distributed.pieces import TensorPieces

FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""As what a weight may be kept."""


def misfits(
    given: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor] | Mapping[str, TensorPieces],
    *,
    exact: bool = False,
) -> list[str]:
    """Return in words how tensors differ from those that are wanted, all of it.

    Args:
        given: By name.
        wanted: By name.
        exact: Whether floating-point numbers, too, must be of the very type.
    """
    shapes = {name: list(tensor.shape) for name, tensor in [*wanted.items(), *given.items()]}
    faults = [f"missing {name} {shapes[name]}" for name in sorted(wanted.keys() - given.keys())]
    faults += [f"unexpected {name} {shapes[name]}" for name in sorted(given.keys() - wanted.keys())]
    for name in sorted(given.keys() & wanted.keys()):
        faults += _differences(name, given[name], wanted[name], exact)
    return faults


def _differences(
    name: str, given: Tensor, wanted: Tensor | TensorPieces, exact: bool
) -> Iterator[str]:
    if given.shape != wanted.shape:
        yield f"{name} is {list(given.shape)}, not {list(wanted.shape)}"
    own = str(wanted.dtype).removeprefix("torch.")
    kept = str(given.dtype).removeprefix("torch.")
    if exact or wanted.dtype not in FLOATING:
        if given.dtype != wanted.dtype:
            yield f"{name} is {kept}, not {own}"
    elif given.dtype not in FLOATING:
        yield f"{name} is {kept}, not {own} or another floating-point type of 16 to 64 bits"
