"""The rules of all levels as tiles compute them, laid out once for many steps.

Legend: k rows of cells, C channels, K kernels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nca.backends.tiled.layers import LayerSums, RowLayers
from nca.backends.tiled.lowering import Reading, TiledDecay, TiledMLP, TiledTerm
from nca.backends.tiled.perception import TilePerception, tile_perception, unit_kernels
from nca.types import Boundary, Size


class RowNet:
    """A net over the rows of what cells see.

    Args:
        net: What it computes.
        readings: Numbers of its readings among those of the step.
        products: The dtype of products.
    """

    def __init__(self, net: TiledMLP, readings: Sequence[int], products: torch.dtype) -> None:
        self.readings, self.products = readings, products
        self.layers = RowLayers(net.layers, products)
        self.length, self.kernels = net.length, len(net.readings[0].kernels)
        self.overwrites = net.layers[0].activation == "relu"
        self.weights = [w for one in net.layers for w in (one.weight, one.bias) if w is not None]
        self.biased = [one.bias is not None for one in net.layers]

    def sums(self, gradients: Iterator[Tensor]) -> list[LayerSums]:
        """Return where the gradients of its weights add up, taken from all of them in turn."""
        return [LayerSums(next(gradients), next(gradients) if b else None) for b in self.biased]

    def shortened(self, rows: Tensor) -> Tensor:
        """Return rows `(k, K * C)` in which some kernels are replaced by their length."""
        parts, (begin, end) = self._parts(rows)
        root = _root(parts[:, begin:end])
        return torch.cat([parts[:, :begin], root, parts[:, end:]], dim=1).flatten(1)

    def lengthened(self, gradient: Tensor, rows: Tensor) -> Tensor:
        """Return the gradient of rows from that of the shortened ones."""
        parts, (begin, end) = self._parts(rows)
        before, length, after = gradient.unflatten(1, (-1, parts.shape[2])).split(
            [begin, 1, len(parts[0]) - end], dim=1
        )
        slopes = parts[:, begin:end]
        return torch.cat([before, length * slopes / _root(slopes), after], dim=1).flatten(1)

    def _parts(self, rows: Tensor) -> tuple[Tensor, tuple[int, int]]:
        return rows.unflatten(1, (self.kernels, -1)), (self.length[0], self.length[-1] + 1)


def _root(slopes: Tensor) -> Tensor:
    # the small number as in nca.engine.run_program.stencil_features
    return (slopes.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()


@dataclass(frozen=True)
class Field:
    """A level that is read, with the rim that is seen around it.

    Attributes:
        level: Its name.
        reach: Cells of the rim, at both ends of each axis.
    """

    level: str
    reach: Size


@dataclass(frozen=True)
class TiledLevel:
    """The rules of a level, as tiles compute them.

    Attributes:
        name: The level.
        nets: Nets whose outcomes are added.
        decays: Shares of the level that are taken away.
    """

    name: str
    nets: Sequence[RowNet]
    decays: Sequence[Tensor | float]


class TiledProgram:
    """The rules of all levels that tiles compute, laid out once for many steps.

    Args:
        terms: The terms of each of these levels.
        axes: Axes of the grid.
        products: The dtype of products.
    """

    def __init__(
        self, terms: Mapping[str, Sequence[TiledTerm]], axes: int, products: torch.dtype
    ) -> None:
        self.axes, self.products, self.readings = axes, products, list[Reading]()
        self.levels = [self._level(name, own) for name, own in terms.items()]
        self._perceptions: dict[tuple[int, torch.Size, torch.dtype, bool], TilePerception] = {}

    @cached_property
    def weights(self) -> list[Tensor]:
        """All that gets a gradient: the weights of all nets, then the rates of decay."""
        nets = [w for level in self.levels for net in level.nets for w in net.weights]
        rates = [r for level in self.levels for r in level.decays if isinstance(r, Tensor)]
        return nets + rates

    @cached_property
    def sees_apart(self) -> bool:
        """Whether each neighbour is seen apart, by learned kernels alone."""
        kernels = [(one.kernels, unit_kernels(one.sides)) for one in self.readings]
        return all(torch.equal(own, units) for own, units in kernels)

    @cached_property
    def needs_states(self) -> bool:
        """Whether the gradient of a step needs its state beside what the layers were given."""
        maps = any(one.cell_map for one in self.readings)
        return not self.sees_apart or maps or any(level.decays for level in self.levels)

    @cached_property
    def fields(self) -> list[Field]:
        """The levels that are read, each with the rim that is seen around it."""
        seen = dict.fromkeys((one.level, one.reach) for one in self.readings)
        read = {level for level, _ in seen}
        own = {(one.name, (0,) * self.axes): None for one in self.levels if one.name not in read}
        return [Field(level, reach) for level, reach in {**seen, **own}]

    @cached_property
    def field_of(self) -> list[int]:
        """Which of the fields each reading sees."""
        keys = [(field.level, field.reach) for field in self.fields]
        return [keys.index((one.level, one.reach)) for one in self.readings]

    @cached_property
    def field_of_level(self) -> list[int]:
        """Which of the fields holds each level of the program."""
        names = [field.level for field in self.fields]
        return [names.index(level.name) for level in self.levels]

    def perception(
        self, reading: int, window: Tensor, boundaries: tuple[Boundary, ...] | None
    ) -> TilePerception:
        """Return what the cells inside a window `(samples, *space, C)` see of it.

        Args:
            reading: Its number.
            window: Any of this shape and dtype.
            boundaries: What lies beyond its edge; None: it has a rim, which is seen alone.
        """
        key = (reading, window.shape[:-1], window.dtype, boundaries is None)
        if key not in self._perceptions:
            kernels = self.readings[reading].kernels
            made = tile_perception(kernels, window.shape[:-1], window.dtype, boundaries)
            self._perceptions[key] = made
        return self._perceptions[key]

    def sums(self, gradients: Sequence[Tensor]) -> "ProgramSums":
        """Return where the gradients of weights add up, if these are they."""
        rest = iter(gradients)
        nets = [[net.sums(rest) for net in level.nets] for level in self.levels]
        decays = [
            [next(rest) if isinstance(rate, Tensor) else None for rate in level.decays]
            for level in self.levels
        ]
        return ProgramSums(nets, decays)

    def _level(self, name: str, terms: Sequence[TiledTerm]) -> TiledLevel:
        nets, decays = [], []
        for term in terms:
            match term:
                case TiledMLP(readings):
                    nets.append(
                        RowNet(term, [self._number(one) for one in readings], self.products)
                    )
                case TiledDecay(rate):
                    decays.append(rate)
        return TiledLevel(name, nets, decays)

    def _number(self, reading: Reading) -> int:
        for number, known in enumerate(self.readings):
            if known.same_as(reading):
                return number
        self.readings.append(reading)
        return len(self.readings) - 1


@dataclass(frozen=True)
class ProgramSums:
    """Where the gradients of all weights add up.

    Attributes:
        nets: For each level, net and layer.
        decays: For each level and rate; None where the rate is a number.
    """

    nets: Sequence[Sequence[Sequence[LayerSums]]]
    decays: Sequence[Sequence[Tensor | None]]
