"""How the gates of a cell's circuit are computed on words: each once, and in which buffer.

A gate over the left neighbours of a cell is the same gate over the right neighbours of another. So
gates that differ by a move along any axis but the first are one, computed on a few more words than
the grid has, and read where they are needed.

Legend: B batch, P plane of bits, R radius.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

from nca.backends.bits.circuit import ONE, ZERO
from nca.backends.bits.derive import CellCircuit

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "and": torch.bitwise_and,
    "or": torch.bitwise_or,
    "xor": torch.bitwise_xor,
    "not": torch.bitwise_not,
}

Move: TypeAlias = tuple[int, ...]
"""Words along each axis but the first."""
Span: TypeAlias = tuple[tuple[int, int], ...]
"""The least and the greatest move at which an outcome is read, along each axis but the first."""


@dataclass(frozen=True)
class Operand:
    """What is read.

    Attributes:
        node: A gate's number; below 0: a plane of the cells, -1 for the first of `Plan.planes`.
        move: How far away.
    """

    node: int
    move: Move


@dataclass(frozen=True)
class Instruction:
    """A gate to compute.

    Attributes:
        operation: On one or two tensors of words.
        reads: What it reads, seen from where its outcome is written.
        span: Where its outcome is needed.
        place: The buffer that it goes to; below 0: an output, -1 for the first.
    """

    operation: Callable[..., Tensor]
    reads: tuple[Operand, ...]
    span: Span
    place: int


@dataclass(frozen=True)
class Plan:
    """The instructions that compute the successors of all cells.

    Attributes:
        planes: The planes of the cells that are read: rows away along the first axis, and number.
        instructions: In order.
        places: The place of each instruction's outcome, by its number.
        buffers: How many are needed.
        outputs: What each plane of the successor is, where no instruction writes it: a read, `ZERO`
            or `ONE`; None: an instruction has written it.
    """

    planes: tuple[tuple[int, int], ...]
    instructions: tuple[Instruction, ...]
    places: tuple[int, ...]
    buffers: int
    outputs: tuple[Operand | int | None, ...]

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, cell: CellCircuit) -> "Plan":
        """Return the plan of a cell's circuit."""
        return _Planner(cell).plan(cls)


@dataclass
class _Node:
    """A gate, whatever its place."""

    op: str
    reads: tuple[Operand, ...]
    moves: list[Move] = field(default_factory=list)
    span: Span = ()

    def needed_at(self, span: Span) -> None:
        """Widen the span."""
        pairs = zip(self.span or span, span, strict=True)
        self.span = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in pairs)


class _Planner:
    """Finds the nodes of a circuit, where they are needed, and their buffers."""

    def __init__(self, cell: CellCircuit) -> None:
        self.cell = cell
        self.planes: list[tuple[int, int]] = []
        self.nodes: list[_Node] = []
        known: dict[tuple[str, tuple[Operand, ...]], int] = {}
        wires = [
            self._plane(offset[0], plane, offset[1:])
            for offset in cell.offsets
            for plane in range(cell.planes)
        ]
        for gate in cell.circuit.gates:
            reads = sorted(
                {wires[gate.first], wires[gate.second]}, key=lambda read: (read.node, read.move)
            )
            origin = reads[0].move
            seen = tuple(Operand(read.node, _minus(read.move, origin)) for read in reads)
            number = known.setdefault((gate.op, seen), len(self.nodes))
            if number == len(self.nodes):
                self.nodes.append(_Node(gate.op, seen))
            wires.append(Operand(number, origin))
        self.outputs = [wires[wire] if wire >= 0 else wire for wire in cell.circuit.outputs]

    def plan(self, made: type[Plan]) -> Plan:
        """Return the plan."""
        still = (0,) * (len(self.cell.offsets[0]) - 1)
        for output in self.outputs:
            if isinstance(output, Operand) and output.node >= 0:
                self.nodes[output.node].needed_at(_at(output.move))
        for node in reversed(self.nodes):
            for read in node.reads:
                if read.node >= 0:
                    self.nodes[read.node].needed_at(_moved(node.span, read.move))
        direct = {
            output.node: -1 - plane
            for plane, output in enumerate(self.outputs)
            if isinstance(output, Operand)
            and output.node >= 0
            and output.move == still
            and self.nodes[output.node].span == _at(still)
        }
        places, buffers = self._places(direct)
        instructions = tuple(
            Instruction(OPERATIONS[node.op], node.reads, node.span, place)
            for node, place in zip(self.nodes, places, strict=True)
        )
        written = {place: None for place in direct.values()}
        outputs = tuple(
            written.get(-1 - plane, output) for plane, output in enumerate(self.outputs)
        )
        return made(tuple(self.planes), instructions, tuple(places), buffers, outputs)

    def _places(self, direct: dict[int, int]) -> tuple[list[int], int]:
        """Return the buffer of each node; it is free again once its last reader is done."""
        last = {read.node: n for n, node in enumerate(self.nodes) for read in node.reads}
        last |= {o.node: len(self.nodes) for o in self.outputs if isinstance(o, Operand)}
        places: list[int] = []
        free: list[int] = []
        buffers = 0
        for number, node in enumerate(self.nodes):
            # what is read at other moves must not be overwritten while it is read
            done = {read.node for read in node.reads if last[read.node] == number}
            inside = [places[n] for n in done if n >= 0 and places[n] >= 0]
            in_place = not any(any(read.move) for read in node.reads)
            if in_place:
                free += inside
            if number in direct:
                places.append(direct[number])
            else:
                if not free:
                    free.append(buffers)
                    buffers += 1
                places.append(free.pop())
            if not in_place:
                free += inside
        return places, buffers

    def _plane(self, row: int, plane: int, move: Move) -> Operand:
        if (row, plane) not in self.planes:
            self.planes.append((row, plane))
        return Operand(-1 - self.planes.index((row, plane)), move)


class PlanRunner:
    """A plan made ready for words of one shape, with buffers that all steps use.

    Args:
        plan: What is computed.
        like: Words of the shape, `(B, P, rows, *others)`, the others with their rims.
        radius: R, the width of the rims.
    """

    def __init__(self, plan: Plan, like: Tensor, radius: int) -> None:
        self._plan, self._radius = plan, radius
        self._buffers = [like.new_empty(like.shape) for _ in range(plan.buffers)]
        self._slots: dict[tuple[int, Span], int] = {}
        self._code = [self._compiled(one) for one in plan.instructions]
        self._copied = [
            (plane, self._slot(found.node, _at(found.move)))
            for plane, found in enumerate(plan.outputs)
            if isinstance(found, Operand)
        ]
        self._filled = [
            (plane, -1 if found == ONE else 0)
            for plane, found in enumerate(plan.outputs)
            if found in (ZERO, ONE)
        ]
        self._still = _at((0,) * (like.ndim - 3))
        self._views = [like] * len(self._slots)  # what is given in a step comes in its place
        self._given: list[tuple[int, bool, int, Span]] = []
        for (place, span), slot in self._slots.items():
            if 0 <= place < plan.buffers:
                self._views[slot] = self._over(self._buffers[place], span)
            else:
                is_output = place < 0
                number = -1 - place if is_output else place - plan.buffers
                self._given.append((slot, is_output, number, span))

    def run(self, planes: list[Tensor], outputs: list[Tensor]) -> None:
        """Compute the successors of the cells of some rows of words.

        Args:
            planes: The words that `Plan.planes` names, each `(B, P, rows, *others)`.
            outputs: Where the planes of the successors go, likewise.
        """
        views = list(self._views)
        for slot, is_output, number, span in self._given:
            views[slot] = self._over((outputs if is_output else planes)[number], span)
        for operation, first, second, out in self._code:
            if second < 0:
                operation(views[first], out=views[out])
            else:
                operation(views[first], views[second], out=views[out])
        for plane, slot in self._copied:
            self._over(outputs[plane], self._still).copy_(views[slot])
        for plane, word in self._filled:
            outputs[plane].fill_(word)

    def _compiled(self, one: Instruction) -> tuple[Callable[..., Tensor], int, int, int]:
        first, *others = (self._slot(read.node, _moved(one.span, read.move)) for read in one.reads)
        return one.operation, first, others[0] if others else -1, self._at(one.place, one.span)

    def _slot(self, node: int, span: Span) -> int:
        """Return the slot of a node's outcome, or of a plane of the cells, over a span."""
        place = self._plan.places[node] if node >= 0 else self._plan.buffers - 1 - node
        return self._at(place, span)

    def _at(self, place: int, span: Span) -> int:
        """Return the slot of a place: below 0 an output, then the buffers, then the planes."""
        return self._slots.setdefault((place, span), len(self._slots))

    def _over(self, words: Tensor, span: Span) -> Tensor:
        """Return the words of the grid over a span, as a view."""
        for axis, (low, high) in enumerate(span, start=3):
            side = words.shape[axis] - 2 * self._radius
            words = words.narrow(axis, self._radius + low, side + high - low)
        return words


def _moved(span: Span, move: Move) -> Span:
    return tuple((low + by, high + by) for (low, high), by in zip(span, move, strict=True))


def _at(move: Move) -> Span:
    return tuple((by, by) for by in move)


def _minus(move: Move, origin: Move) -> Move:
    return tuple(by - at for by, at in zip(move, origin, strict=True))
