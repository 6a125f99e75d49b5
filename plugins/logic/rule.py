"""Automata of logic gates that are learnt (Miotti et al. 2025, after Petersen et al. 2022)."""

import itertools
from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Le, Len
from torch import Tensor, nn

from nca import (
    CheckpointError,
    Fault,
    GateLayer,
    GatesTerm,
    Needs,
    OptionError,
    Program,
    RuleContext,
    UpdateRule,
    register,
)
from nca.types import Count, Positive, RandomSeed, Units
from nca_plugins.logic import gates
from nca_plugins.logic.wires import kernel_orders, random_wires


@register.rule("logic")
class Logic(UpdateRule):
    """Kernels that are trees of gates, then layers of gates, one bit of the successor a channel.

    A kernel looks at one channel: its first gates compare each neighbour with the cell, the next
    ones halve what there is until one bit is left. The bits of all kernels and the cell's own go
    into the update: layers of gates on wires that are drawn at random, then layers of half as
    many, down to one gate for each channel.

    While it trains, each gate mixes all sixteen logic gates, by the softmax of its weights. In
    evaluation it is the gate of the greatest weight.

    Args:
        context: Where the rule stands.
        kernels: Kernels for each channel.
        update: Gates of the first layers of the update, each at least half as many as the numbers
            that it reads.
        passing: Weight at which a gate hands on its first input when learning begins; the other
            fifteen begin at 0.
        random_seed: Of the wires.

    Raises:
        OptionError: A layer of the update is too small to read all that comes before it.
    """

    needs = Needs(states="binary")
    cellwise = True
    factors: Tensor

    def __init__(
        self,
        context: RuleContext,
        *,
        kernels: Annotated[Count, Le(1024)] = 2,
        update: Annotated[tuple[Units, ...], Len(1, 64)] = (8,),
        passing: Positive = 5.0,
        random_seed: RandomSeed = 0,
    ) -> None:
        super().__init__()
        channels = context.own.channels
        self.offsets = tuple(itertools.product((-1, 0, 1), repeat=context.axes))
        self.register_buffer("factors", gates.gate_factors(), persistent=False)
        widths = update_widths(kernels * channels + channels, update, channels)
        with torch.device("cpu"):  # numbers are drawn also where weights get no memory
            wires = _Wires(len(self.offsets), channels, random_seed)
            drawn = [*wires.perception(kernels), *wires.update(widths)]
        self.layers = nn.ModuleList(_Gates(*layer, passing) for layer in drawn)
        self.register_load_state_dict_post_hook(_check_wires)

    def program(self) -> Program:
        """Return the gates: mixed while the rule trains, else those of the greatest weights."""
        factors_of = gates.soft_factors if self.training else gates.hard_factors
        weights = torch.cat([layer.weights for layer in self.gate_layers])
        factors = factors_of(weights, self.factors)
        parts = factors.split([len(layer.first) for layer in self.gate_layers])
        layers = zip(self.gate_layers, parts, strict=True)
        found = (GateLayer(one.first, one.second, part, one.begin) for one, part in layers)
        return Program((GatesTerm(self.offsets, tuple(found)),))

    @property
    def gate_layers(self) -> "list[_Gates]":
        """The layers of gates, in the order in which they are computed."""
        return list(self.layers)  # pyright: ignore[reportReturnType]


class _Gates(nn.Module):
    """A layer of gates that are learnt, on fixed wires.

    Attributes:
        first: The wire of each gate's first input, int64 `(G,)`.
        second: The wire of its second one.
        begin: The least of all these.
        end: One more than the greatest.
        weights: How much each of the sixteen gates counts, `(G, 16)`.
    """

    first: Tensor
    second: Tensor

    def __init__(self, first: Tensor, second: Tensor, passing: float) -> None:
        super().__init__()
        self.begin = int(torch.minimum(first, second).min())
        self.end = int(torch.maximum(first, second).max()) + 1
        self.weights = nn.Parameter(gates.passing_weights(len(first), passing))
        self.register_buffer("first", first)
        self.register_buffer("second", second)


def _check_wires(rule: nn.Module, _: object) -> None:
    """Refuse wires that were loaded and lead elsewhere than any that are drawn.

    Raises:
        CheckpointError: They do.
    """
    assert isinstance(rule, Logic)
    for number, layer in enumerate(rule.gate_layers):
        both = torch.cat([layer.first, layer.second])
        if both.device.type != "meta" and ((both < layer.begin) | (both >= layer.end)).any():
            raise CheckpointError(
                f"layer {number} of the gates has wires that lead nowhere.",
                where=f"they are numbers from {layer.begin} to {layer.end - 1}",
                to_do="take another checkpoint: this one is damaged",
            )


class _Wires:
    """Numbers the wires of a cell's circuit, and draws which of them each layer reads.

    Args:
        neighbours: How many cells are seen, the cell itself in the middle.
        channels: Bits of each.
        random_seed: Of what is drawn.
    """

    def __init__(self, neighbours: int, channels: int, random_seed: int) -> None:
        self.channels, self.random_seed = channels, random_seed
        self.others = [n for n in range(neighbours) if n != neighbours // 2]
        self.centre = neighbours // 2 * channels + torch.arange(channels)
        self.last = self.centre  # what the next layer may read
        self.count = neighbours * channels

    def perception(self, kernels: int) -> list[tuple[Tensor, Tensor]]:
        """Return the layers of all kernels: each compares neighbours with the cell, then halves."""
        total = kernels * self.channels
        orders = kernel_orders(self.random_seed, total, len(self.others))
        channel = (torch.arange(total) % self.channels).unsqueeze(1)  # (kernels, 1)
        seen = torch.tensor(self.others)[orders] * self.channels + channel
        layers = [self._layer(seen, self.centre[channel].expand_as(seen))]
        while (width := self.last.shape[1]) > 1:
            # of an odd number the last one is read with the one before it
            left = torch.arange(0, width, 2).clamp(max=width - 2)
            layers.append(self._layer(self.last[:, left], self.last[:, left + 1]))
        self.last = torch.cat([self.last.flatten(), self.centre])
        return layers

    def update(self, widths: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return the layers of the update, each on all wires of the one before."""
        layers = []
        for number, width in enumerate(widths):
            name = f"update/{number}"
            first, second = random_wires(self.random_seed, name, len(self.last), width)
            layers.append(self._layer(self.last[first], self.last[second]))
        return layers

    def _layer(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Number the outcomes of a layer, in the shape of its inputs; return its wires."""
        self.last = self.count + torch.arange(first.numel()).view(first.shape)
        self.count += first.numel()
        return first.flatten(), second.flatten()


def update_widths(inputs: int, given: Sequence[int], channels: int) -> list[int]:
    """Return the gates of each layer of an update: those given, then half, down to the channels.

    Args:
        inputs: How many numbers the first layer reads.
        given: The first layers.
        channels: Gates of the last layer.

    Raises:
        OptionError: A layer cannot read all that comes before it, with two inputs for each gate.
    """
    faults, before = [], inputs
    for number, width in enumerate(given):
        if 2 * width < before:
            least = -(-before // 2)
            what = f"is {width} gates, which read at most {2 * width} of {before} numbers"
            faults.append(Fault(("update", number), what, f"at least {least}"))
        before = width
    if faults:
        raise OptionError(faults, f"Logic(update={tuple(given)})")
    widths = list(given)
    while widths[-1] > 2 * channels:
        widths.append(-(-widths[-1] // 2))
    return [*widths, channels]
