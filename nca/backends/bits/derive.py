"""The circuit of a discrete term, derived from what it says and checked against it.

Legend: S state, P plane of bits, N neighbour.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

from nca.backends.bits.circuit import Circuit, CircuitBuilder
from nca.engine.discrete import DiscreteTerm, GateLayer, TableTerm
from nca.engine.topology import Offset

MOST_INPUTS = 512
"""Bits that a cell may see."""
MOST_STATES = 64
TABLE_INPUTS = 10
"""Gates of up to so many inputs may be replaced by a circuit made from their table."""
EXHAUSTIVE = 16
"""With up to so many inputs a circuit is checked on all neighbourhoods; with more, on 65,536."""
ALL_ORDERS = 5
ORDERS = 40
"""Of more than `ALL_ORDERS` variables, so many orders are tried."""

Row: TypeAlias = tuple[int | None, ...]
"""The values of a function of bits, lowest variable first; None where any value will do."""


@dataclass(frozen=True)
class CellCircuit:
    """A circuit that makes the successor of a cell.

    Attributes:
        offsets: Where the cells stand that are seen.
        planes: How many bits each of them has.
        circuit: Plane p of the cell at offset n is input `n * planes + p`; output p is plane p.
    """

    offsets: tuple[Offset, ...]
    planes: int
    circuit: Circuit


CellFunction: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Returns the successors of neighbourhoods `(N, cases)`, and which of these can occur."""


def circuit_of(term: DiscreteTerm) -> CellCircuit | str:
    """Return the circuit of a term, or why it has none, as the end of a sentence."""
    if isinstance(term, TableTerm):
        table = tuple(map(tuple, term.successors.tolist()))
        axes = len(term.offsets[0]) if term.offsets else 1
        key = _Table(term.offsets, term.weights, table, term.counted, (0,) * axes)
        return _table_circuit(key)
    layers = tuple(_layer(layer) for layer in term.layers)
    return _gates_circuit(_Network(term.offsets, layers))


@dataclass(frozen=True)
class _Table:
    """A `TableTerm` as plain numbers, by which its circuit is remembered."""

    offsets: tuple[Offset, ...]
    weights: tuple[int, ...]
    successors: tuple[tuple[int, ...], ...]
    counted: tuple[int, ...]
    own: Offset

    @property
    def planes(self) -> int:
        """How many bits a state has."""
        return max((len(self.successors) - 1).bit_length(), 1)


@dataclass(frozen=True)
class _Network:
    """A `GatesTerm` as plain numbers; a gate is two wires and four factors."""

    offsets: tuple[Offset, ...]
    layers: tuple[tuple[tuple[int, int, tuple[float, ...]], ...], ...]


def _layer(layer: GateLayer) -> tuple[tuple[int, int, tuple[float, ...]], ...]:
    factors = map(tuple, layer.factors.tolist())
    return tuple(zip(layer.first.tolist(), layer.second.tolist(), factors, strict=True))


@lru_cache(maxsize=256)
def _table_circuit(table: _Table) -> CellCircuit | str:
    states, planes = len(table.successors), table.planes
    if states > MOST_STATES:
        return f"has {states} states, of {MOST_STATES} at most"
    if planes * (len(table.offsets) + 1) > MOST_INPUTS:
        return f"sees {len(table.offsets)} cells"
    table = _symmetric(table)
    others = [offset for offset in table.offsets if offset != table.own]
    offsets = (table.own, *dict.fromkeys(others))
    builder = CircuitBuilder(planes * len(offsets))
    counts = {offset: _counted(builder, table, offsets.index(offset)) for offset in offsets}
    weighed = [
        (wire, weight)
        for offset, weight in _by_columns(zip(table.offsets, table.weights, strict=True))
        for wire in counts[offset]
    ]
    column = builder.count(weighed)
    own = [builder.wire(plane) for plane in range(planes)]
    outputs = [
        _smallest(builder, _row(table, plane, len(column)), (*column, *own))
        for plane in range(planes)
    ]
    found = CellCircuit(offsets, planes, builder.circuit(outputs))
    _check(found, lambda cells: _looked_up(table, offsets, cells))
    return found


def _counted(builder: CircuitBuilder, table: _Table, place: int) -> list[int]:
    """Return whether the cell at a place among those seen counts at least once, twice and so on."""
    bits = [builder.wire(place * table.planes + plane) for plane in range(table.planes)]
    often = _often(table)
    beyond = [None] * ((1 << table.planes) - len(often))  # such states do not occur
    return [
        _smallest(builder, (*(int(one >= times) for one in often), *beyond), bits)
        for times in range(1, max(often) + 1)
    ]


def _by_columns(weighed: Iterable[tuple[Offset, int]]) -> list[tuple[Offset, int]]:
    """Return neighbours column by column, so that equal columns are summed by equal gates.

    The middle of a column comes last: the middle column, which may lack it, is then a part of one.
    """
    columns: dict[Offset, list[tuple[Offset, int]]] = {}
    for offset, weight in weighed:
        columns.setdefault(offset[1:], []).append((offset, weight))
    longest_first = sorted(columns.values(), key=len, reverse=True)
    return [
        one
        for column in longest_first
        for one in sorted(column, key=lambda pair: (-abs(pair[0][0]), pair[0][0]))
    ]


def _symmetric(table: _Table) -> _Table:
    """Return a table of sums, if that is what a table of all neighbourhoods is."""
    count = len(table.weights)
    powers = tuple(1 << (count - 1 - n) for n in range(count))
    if table.weights != powers or count < 2 or max(_often(table)) > 1:
        return table
    rows = []
    for row in table.successors:
        of_sum: dict[int, int] = {}
        for place, successor in enumerate(row):
            if of_sum.setdefault(place.bit_count(), successor) != successor:
                return table
        rows.append(tuple(of_sum[total] for total in range(count + 1)))
    return _Table(table.offsets, (1,) * count, tuple(rows), table.counted, table.own)


def _row(table: _Table, plane: int, digits: int) -> Row:
    """Return a plane of the successor as a function of the column's digits, then the own bits."""
    columns = len(table.successors[0])
    sums = _sums(table.weights, {*_often(table)})
    return tuple(
        table.successors[own][column] >> plane & 1
        if own < len(table.successors) and column < columns and column in sums
        else None
        for own in range(1 << table.planes)
        for column in range(1 << digits)
    )


def _sums(weights: Sequence[int], times: set[int]) -> set[int]:
    """Return what sums there can be of weights, each taken one of so many times."""
    sums = {0}
    for weight in weights:
        sums = {total + weight * often for total in sums for often in times}
    return sums


def _often(table: _Table) -> list[int]:
    """Return how often a cell of each state counts."""
    return [table.counted.count(state) for state in range(len(table.successors))]


@lru_cache(maxsize=64)
def _gates_circuit(network: _Network) -> CellCircuit | str:
    channels = len(network.layers[-1])
    inputs = channels * len(network.offsets)
    if inputs > MOST_INPUTS:
        return f"sees {inputs} bits"
    builder = CircuitBuilder(inputs)
    wires = [builder.wire(number) for number in range(inputs)]
    for layer in network.layers:
        made = [_gate(builder, wires[a], wires[b], factors) for a, b, factors in layer]
        if None in made:
            return "has gates that are still being learnt"
        wires += [literal for literal in made if literal is not None]
    found = CellCircuit(network.offsets, channels, builder.circuit(wires[-channels:]))
    return min((found, *_from_tables(found)), key=lambda one: len(one.circuit.gates))


def _gate(builder: CircuitBuilder, a: int, b: int, factors: Sequence[float]) -> int | None:
    none, left, right, both = factors
    row = (none, none + left, none + right, none + left + right + both)
    if not all(value in (0, 1) for value in row):
        return None
    return _branch(builder, tuple(map(int, row)), (a, b), {})


def _from_tables(found: CellCircuit) -> Iterable[CellCircuit]:
    """Yield the circuit made from the table of another one, if the table is small."""
    inputs = found.circuit.inputs
    if inputs > TABLE_INPUTS:
        return
    cases = _all_cases(inputs)
    outcomes = found.circuit.evaluate(cases, (1 << (1 << inputs)) - 1)
    rows = [tuple(one >> case & 1 for case in range(1 << inputs)) for one in outcomes]
    if found.planes == 1:
        own = (0,) * len(found.offsets[0])
        if own in found.offsets and (one := _as_table(found, rows[0], own)):
            yield one
    builder = CircuitBuilder(inputs)
    variables = [builder.wire(number) for number in range(inputs)]
    outputs = [_smallest(builder, row, variables) for row in rows]
    yield CellCircuit(found.offsets, found.planes, builder.circuit(outputs))


def _as_table(found: CellCircuit, row: Sequence[int], own: Offset) -> CellCircuit | None:
    """Return the circuit of the sums that a function of bits goes by, or None."""
    others = [n for n, offset in enumerate(found.offsets) if offset != own]
    middle = found.offsets.index(own)
    table = [[0] * (1 << len(others)) for _ in (0, 1)]
    for case, value in enumerate(row):
        place = 0
        for other in others:
            place = 2 * place + (case >> other & 1)
        table[case >> middle & 1][place] = value
    weights = tuple(1 << power for power in reversed(range(len(others))))
    offsets = tuple(found.offsets[other] for other in others)
    whole = _Table(offsets, weights, tuple(map(tuple, table)), (1,), own)
    if _symmetric(whole) == whole:
        return None
    made = _table_circuit(whole)
    return None if isinstance(made, str) else made


def _smallest(builder: CircuitBuilder, row: Row, variables: Sequence[int]) -> int:
    """Return a function of literals, its variables looked at in the order that takes least gates.

    Args:
        builder: Gets the gates.
        row: The function's values; bit k of a place is the value of variable k.
        variables: Their literals.
    """
    count = len(variables)
    if count <= ALL_ORDERS:
        orders = list(itertools.permutations(range(count)))
    else:
        draw = random.Random(0)
        orders = [tuple(draw.sample(range(count), count)) for _ in range(ORDERS)]
    best = min(orders, key=lambda order: _cost(row, order))
    return _branch(builder, _ordered(row, best), [variables[n] for n in best], {})


def _cost(row: Row, order: Sequence[int]) -> int:
    trial = CircuitBuilder(len(order))
    literals = [trial.wire(number) for number in order]
    output = _branch(trial, _ordered(row, order), literals, {})
    return len(trial.circuit([output]).gates)


def _ordered(row: Row, order: Sequence[int]) -> Row:
    """Return a function with its variables in another order."""
    places = [0]
    for number in order:
        places += [place | 1 << number for place in places]
    return tuple(row[place] for place in places)


def _branch(
    builder: CircuitBuilder, row: Row, variables: Sequence[int], known: dict[Row, int]
) -> int:
    """Return a function of literals, by its halves where the last variable is 0 and is 1."""
    values = set(row) - {None}
    if len(values) < 2:
        return builder.one if values == {1} else builder.zero
    if row not in known:
        half = len(row) // 2
        low, high = row[:half], row[half:]
        *others, last = variables
        if all(a is None or b is None or a == b for a, b in zip(low, high, strict=True)):
            either = tuple(b if a is None else a for a, b in zip(low, high, strict=True))
            known[row] = _branch(builder, either, others, known)
        else:
            no = _branch(builder, low, others, known)
            yes = _branch(builder, high, others, known)
            known[row] = builder.choose(last, no, yes)
    return known[row]


def _all_cases(inputs: int) -> list[int]:
    """Return a number for each input; bit c of all of them together counts c in binary."""
    cases = 1 << inputs
    return [
        sum(1 << case for case in range(cases) if case >> number & 1) for number in range(inputs)
    ]


def _check(found: CellCircuit, expected: CellFunction) -> None:
    """Demand that a circuit makes the successors that are expected.

    Raises:
        AssertionError: It does not; this is a fault of this module.
    """
    inputs = found.circuit.inputs
    if inputs <= EXHAUSTIVE:
        cases = torch.arange(1 << inputs)
        bits = torch.stack([cases >> number & 1 for number in range(inputs)])
    else:
        drawn = torch.Generator().manual_seed(0)
        density = torch.rand(1, 1 << EXHAUSTIVE, generator=drawn)
        bits = (torch.rand(inputs, 1 << EXHAUSTIVE, generator=drawn) < density).long()
    planes = bits.unflatten(0, (-1, found.planes))
    states = sum(planes[:, plane] << plane for plane in range(found.planes))
    wanted, there = expected(torch.as_tensor(states))
    numbers = [_number(one) for one in bits]
    outcomes = found.circuit.evaluate(numbers, (1 << bits.shape[1]) - 1)
    for plane, outcome in enumerate(outcomes):
        right = _number((wanted >> plane & 1) * there)
        assert outcome & _number(there.long()) == right, "a circuit strays from its table"


def _number(bits: Tensor) -> int:
    """Return the whole number whose bit c is the c-th of some bits."""
    packed = bits.to(torch.uint8).numpy().tobytes()
    return int(packed[::-1].translate(_DIGITS), 2)


_DIGITS = bytes.maketrans(b"\0\1", b"01")


def _looked_up(table: _Table, offsets: Sequence[Offset], cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return the successors of neighbourhoods `(N, cases)`, and which of these can occur."""
    last = len(table.successors) - 1
    there = (cells <= last).all(dim=0)
    counted = torch.tensor(_often(table))[cells.clamp(0, last)]
    column = torch.zeros_like(cells[0])
    for offset, weight in zip(table.offsets, table.weights, strict=True):
        column += weight * counted[offsets.index(offset)]
    own = cells[0].clamp(0, last)
    return torch.tensor(table.successors)[own, column], there
