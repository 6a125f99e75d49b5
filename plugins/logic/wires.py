"""Wires that are drawn at random: what each gate of a layer reads.

They follow from a random seed and a name alone, on every device.
"""

import torch
from torch import Tensor

from nca import HostRNG


def random_wires(random_seed: int, name: str, inputs: int, gates: int) -> tuple[Tensor, Tensor]:
    """Return what each gate of a layer reads first and second, int64 `(gates,)`.

    Every input is read, as often as any other or once more; a gate reads two different ones if
    there are two.

    Args:
        random_seed: Of all wires.
        name: Of the layer.
        inputs: How many numbers there are to read, at most twice as many as gates.
        gates: How many gates read.
    """
    rounds = -(-2 * gates // inputs)
    orders = [HostRNG(random_seed, turn).order(name, inputs) for turn in range(rounds)]
    slots = torch.cat(orders)[: 2 * gates]
    first, second = slots[:gates], slots[gates:].clone()
    for gate in (first == second).nonzero().flatten().tolist() if inputs > 1 else ():
        # it changes its second input with a gate that may have it, the next one if that may
        fits = (second != first[gate]) & (first != second[gate])
        other = (gate + int(fits.roll(-gate).int().argmax())) % gates
        second[[gate, other]] = second[[other, gate]]
    return first, second


def kernel_orders(random_seed: int, kernels: int, neighbours: int) -> Tensor:
    """Return in which order each kernel looks at its neighbours, int64 `(kernels, neighbours)`."""
    draws = [HostRNG(random_seed, number) for number in range(kernels)]
    return torch.stack([draw.order("kernel", neighbours) for draw in draws])
