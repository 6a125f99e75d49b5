"""Discrete terms of a program: tables of successors, and networks of logic gates.

A cell holds the number of its state, 0 to n - 1, in a channel, and each channel is a world of its
own (`TableTerm`); or each channel is a bit of the cell (`GatesTerm`). Both propose the difference
between a cell's successor and what it holds. What they say is enough to step cells as bits, 64 to
a word (`nca.backends.bits`), or to write them as a program in C.

Legend: N neighbour, S state, G gate.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from torch import Tensor

from nca.engine.topology import Offset, reach_of
from nca.errors import ShapeError


@dataclass(frozen=True, eq=False)
class TableTerm:
    """A table of successors: by a cell's own state, and by which of its neighbours count.

    A cell's state is the nearest whole number from 0 to S - 1. A neighbour counts as often as its
    state is among `counted`; the weights of those that count add up to the column of the table.
    Weights of 1 make a rule of sums (outer-totalistic), powers of 2 one that tells all
    neighbourhoods apart.

    Attributes:
        offsets: Where the N neighbours stand; the cell itself may be among them.
        weights: A positive weight for each.
        successors: `(S, columns)`, int64: the successor of a cell, from 0 to S - 1. There are as
            many columns as sums of weights, and one for 0.
        counted: The states that count; `(1, 2, 2)` where the sum is that of the states.

    Raises:
        ShapeError: Sums that have no column, or weights that are not one for each neighbour.
    """

    offsets: tuple[Offset, ...]
    weights: tuple[int, ...]
    successors: Tensor
    counted: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        """Refuse what would read beyond a row."""
        states, columns = self.successors.shape
        often = max(map(self.counted.count, range(states)))
        sums = often * sum(self.weights) + 1
        if columns >= sums and len(self.weights) == len(self.offsets):
            return
        raise ShapeError(
            f"a table has {columns} columns, and {len(self.weights)} weights whose sums are 0 to "
            f"{sums - 1}.",
            where=f"TableTerm with {len(self.offsets)} neighbours and {states} states",
            to_do=f"give a weight to each neighbour, and successors `({states}, sums)`",
        )

    @property
    def states(self) -> int:
        """How many states a cell has."""
        return len(self.successors)

    @property
    def radius(self) -> int:
        """How far a cell sees, along any axis."""
        return reach_of(self.offsets)


@dataclass(frozen=True, eq=False)
class GateLayer:
    """Gates of two inputs: `f0 + f1 a + f2 b + f3 a b`, which is a logic gate for certain f.

    A wire is the number of what a gate reads: the bits that a cell sees come first, then the
    outcomes of all gates of the layers before, in order.

    Attributes:
        first: `(G)`, int64: the wire of each gate's input a.
        second: `(G)`, int64: the wire of its input b.
        factors: `(G, 4)`: f0 to f3 of each gate.
        begin: The least wire that a gate reads, or one below it: those before it need not be kept.
    """

    first: Tensor
    second: Tensor
    factors: Tensor
    begin: int = 0


@dataclass(frozen=True, eq=False)
class GatesTerm:
    """A network of logic gates over the bits that a cell sees; its last gates are the successor.

    The bit of channel c of the neighbour at offset n has wire `n * C + c`. Factors of hard gates
    give 0 or 1 for all bits; those between, of gates that are being learnt, mix several gates.

    Attributes:
        offsets: Where the N cells stand that are seen; the cell itself is one as any other.
        layers: At least one; the last has a gate for each of the C channels.
    """

    offsets: tuple[Offset, ...]
    layers: tuple[GateLayer, ...]

    @property
    def radius(self) -> int:
        """How far a cell sees, along any axis."""
        return reach_of(self.offsets)

    @cached_property
    def gates(self) -> int:
        """How many gates there are."""
        return sum(len(layer.first) for layer in self.layers)


DiscreteTerm: TypeAlias = TableTerm | GatesTerm
