"""Circuits of and, or, xor and not, and a builder that makes equal gates one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

Op: TypeAlias = Literal["and", "or", "xor", "not"]

ZERO, ONE = -1, -2
"""Wires that are always 0, or always 1: only ever an output, since gates that read one go."""

Bits = TypeVar("Bits")


@dataclass(frozen=True)
class Gate:
    """A logic gate.

    Attributes:
        op: What it computes.
        first: The wire that it reads.
        second: The other one; of `not` the same.
    """

    op: Op
    first: int
    second: int


@dataclass(frozen=True)
class Circuit:
    """Logic gates, in an order in which they can be computed.

    Wires are numbered: first the inputs, then the outcomes of the gates.

    Attributes:
        inputs: How many there are.
        gates: Each reads wires before its own.
        outputs: Wires, or `ZERO` or `ONE`.
    """

    inputs: int
    gates: tuple[Gate, ...]
    outputs: tuple[int, ...]

    def evaluate(self, inputs: Sequence[int], ones: int) -> list[int]:
        """Return the outputs for whole numbers as inputs, all of whose bits are cases of their own.

        Args:
            inputs: One number for each input.
            ones: The number all of whose bits are 1.
        """
        wires = list(inputs)
        for gate in self.gates:
            a, b = wires[gate.first], wires[gate.second]
            match gate.op:
                case "and":
                    wires.append(a & b)
                case "or":
                    wires.append(a | b)
                case "xor":
                    wires.append(a ^ b)
                case "not":
                    wires.append(a ^ ones)
        fixed = {ZERO: 0, ONE: ones}
        return [fixed[wire] if wire < 0 else wires[wire] for wire in self.outputs]

    def last_use(self) -> dict[int, int]:
        """Return for each wire the number of the last gate that reads it; outputs: all of them."""
        last = {wire: number for number, gate in enumerate(self.gates) for wire in _read(gate)}
        return last | {wire: len(self.gates) for wire in self.outputs if wire >= 0}


class CircuitBuilder:
    """Builds a circuit, with every gate once.

    What it hands out and takes are literals: `2 * node`, plus 1 for the opposite. Node 0 is the
    constant 0. Nodes are `and` and `xor` alone; `circuit` writes them as gates.

    Args:
        inputs: How many the circuit has.
    """

    zero, one = 0, 1

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._nodes: list[tuple[str, int, int]] = [("input", 0, 0)] * (inputs + 1)
        self._known: dict[tuple[str, int, int], int] = {}

    def wire(self, number: int) -> int:
        """Return the literal of an input."""
        return 2 * (number + 1)

    def invert(self, a: int) -> int:
        """Return the opposite."""
        return a ^ 1

    def both(self, a: int, b: int) -> int:
        """Return `a and b`."""
        a, b = min(a, b), max(a, b)
        if a == self.zero or a == b ^ 1:
            return self.zero
        if a in (self.one, b):
            return b
        return self._node("and", a, b)

    def either(self, a: int, b: int) -> int:
        """Return `a or b`."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """Return `a xor b`."""
        opposite = (a ^ b) & 1
        a, b = min(a & ~1, b & ~1), max(a & ~1, b & ~1)
        if a == b:
            return self.zero ^ opposite
        if a == self.zero:
            return b ^ opposite
        return self._node("xor", a, b) ^ opposite

    def choose(self, by: int, no: int, yes: int) -> int:
        """Return `yes` where `by` is 1, `no` elsewhere."""
        if no == yes:
            return no
        if no == yes ^ 1:
            return self.differ(by, no)
        if no in (self.zero, self.one) or yes in (self.zero, self.one):
            return self._choose_constant(by, no, yes)
        if by in (no, yes ^ 1):
            return self.both(no, yes) if by == no else self.both(no, by ^ 1)
        return self.differ(no, self.both(by, self.differ(no, yes)))

    def add(self, a: int, b: int, c: int) -> tuple[int, int]:
        """Return the sum and the carry of three bits."""
        half = self.differ(a, b)
        return self.differ(half, c), self.differ(self.both(a, b), self.both(half, c))

    def count(self, weighed: Iterable[tuple[int, int]]) -> list[int]:
        """Return the binary digits, lowest first, of the sum of weights of the bits that are 1.

        Args:
            weighed: Each a literal and its positive weight.
        """
        columns: list[list[int]] = []
        for literal, weight in weighed:
            columns += [[] for _ in range(weight.bit_length() - len(columns))]
            for digit in range(weight.bit_length()):
                if weight >> digit & 1:
                    columns[digit].append(literal)
        digits = []
        for column in columns:  # which grows as carries come up
            carries: list[int] = []
            while len(column) > 1:
                third = column.pop(0) if len(column) > 2 else self.zero
                total, carry = self.add(column.pop(0), column.pop(0), third)
                column.append(total)
                carries.append(carry)
            digits.append(column[0] if column else self.zero)
            if carries := [carry for carry in carries if carry != self.zero]:
                if len(digits) == len(columns):
                    columns.append([])
                columns[len(digits)] += carries
        return digits

    def circuit(self, outputs: Sequence[int]) -> Circuit:
        """Return the gates that some literals need."""
        return _Lowering(self._inputs, self._nodes).circuit(outputs)

    def _choose_constant(self, by: int, no: int, yes: int) -> int:
        if no in (self.zero, self.one):
            return self.both(by, yes) if no == self.zero else self.either(by ^ 1, yes)
        return self.both(by ^ 1, no) if yes == self.zero else self.either(by, no)

    def _node(self, op: str, a: int, b: int) -> int:
        key = (op, a, b)
        if key not in self._known:
            self._known[key] = 2 * len(self._nodes)
            self._nodes.append(key)
        return self._known[key]


class _Lowering:
    """Writes nodes with opposites on their edges as gates; `or` stands for and of opposites."""

    def __init__(self, inputs: int, nodes: Sequence[tuple[str, int, int]]) -> None:
        self._inputs, self._nodes = inputs, nodes
        self._gates: list[Gate] = []
        self._numbers: dict[Gate, int] = {}
        self._wires: dict[int, tuple[int, bool]] = {}  # of a node, and whether it is the opposite

    def circuit(self, outputs: Sequence[int]) -> Circuit:
        """Return the gates that some literals need."""
        needed: set[int] = set()
        waiting = [literal >> 1 for literal in outputs]
        while waiting:
            node = waiting.pop()
            if node > self._inputs and node not in needed:
                needed.add(node)
                waiting += [literal >> 1 for literal in self._nodes[node][1:]]
        for node in range(1, self._inputs + 1):
            self._wires[node] = (node - 1, False)
        for node in sorted(needed):
            self._lower(node)
        made = tuple(map(self._output, outputs))  # which may take a last gate
        return Circuit(self._inputs, tuple(self._gates), made)

    def _lower(self, node: int) -> None:
        op, *reads = self._nodes[node]
        (a, no_a), (b, no_b) = (self._found(literal) for literal in reads)
        if op == "xor":
            self._wires[node] = (self._gate("xor", a, b), no_a ^ no_b)
        elif no_a and no_b:
            self._wires[node] = (self._gate("or", a, b), True)
        else:
            a = self._gate("not", a, a) if no_a else a
            b = self._gate("not", b, b) if no_b else b
            self._wires[node] = (self._gate("and", a, b), False)

    def _found(self, literal: int) -> tuple[int, bool]:
        wire, opposite = self._wires[literal >> 1]
        return wire, opposite ^ bool(literal & 1)

    def _output(self, literal: int) -> int:
        if literal < 2:
            return ONE if literal else ZERO
        wire, opposite = self._found(literal)
        return self._gate("not", wire, wire) if opposite else wire

    def _gate(self, op: Op, a: int, b: int) -> int:
        gate = Gate(op, min(a, b), max(a, b))
        if gate not in self._numbers:
            self._numbers[gate] = self._inputs + len(self._gates)
            self._gates.append(gate)
        return self._numbers[gate]


def _read(gate: Gate) -> tuple[int, int]:
    return gate.first, gate.second
