"""Steps of bits, for automata all of whose rules are tables of successors or hard logic gates.

Legend: B batch, P plane of bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from nca.backends.bits.circuit import ONE, Circuit
from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.backends.bits.words import WordGrid
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import NotDeclared
from nca.engine.state import State
from nca.engine.stepper import HasSpec, StepSpec

BLOCK = 1 << 15
"""Words that a gate computes at once, as a rule: the outcomes of all gates stay in the cache."""

OPERATIONS = {"and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor}

Instruction: TypeAlias = tuple[Callable[..., Tensor], tuple[int, ...], int, int]
"""An operation, the wires that it reads, the buffer that its outcome goes to, and its wire."""


class BitStepper:
    """Steps of bits.

    Args:
        spec: What a step is; `bits_obstacle` finds nothing in its way.
        state: The state that the rollout starts from.
    """

    def __init__(self, spec: StepSpec, state: State) -> None:
        self.spec = spec
        self.levels = {
            name: BitLevel.of(spec, name, state) for name in spec.rules if spec.rules_of(name)
        }

    def prepare(self, state: State) -> State:
        """Return the state with words in place of the cells of the levels that change."""
        return state.replace({n: level.pack(state[n]) for n, level in self.levels.items()})

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass on words; see `nca.engine.stepper.Stepper.step`."""
        stepped = {name: level.step(state[name]) for name, level in self.levels.items()}
        return state.replace(stepped, step=state.step + 1)

    def restore(self, state: State, whole: State) -> State:
        """Return the state with cells in place of words."""
        cells = {n: level.unpack(state[n], whole[n]) for n, level in self.levels.items()}
        return state.replace(cells)


@dataclass(frozen=True)
class BitLevel:
    """A level whose cells are bits.

    Attributes:
        cell: The circuit of a cell.
        grid: How its cells lie in words.
        worlds: Whether each channel is a world of its own; otherwise each is a plane of a cell.
    """

    cell: CellCircuit
    grid: WordGrid
    worlds: bool

    @classmethod
    def of(cls, spec: StepSpec, name: str, state: State) -> "BitLevel":
        """Return a level of a state whose rule has a circuit."""
        term = _term(spec, name, state.axes)
        assert not isinstance(term, str)
        cell = circuit_of(term)
        assert isinstance(cell, CellCircuit)
        grid = WordGrid(state.size(name), spec.topology, max(term.radius, 1))
        return cls(cell, grid, isinstance(term, TableTerm))

    def pack(self, level: Tensor) -> Tensor:
        """Return `(B, C, *space)` as words, their rim filled: `(B, C P, ...)` or `(B, C, ...)`."""
        bits = level.detach().to(torch.uint8)
        if self.worlds and self.cell.planes > 1:
            places = torch.arange(self.cell.planes, dtype=torch.uint8, device=bits.device)
            places = places.view(-1, *(1,) * len(self.grid.size))
            bits = (bits.unsqueeze(2) >> places & 1).flatten(1, 2)
        room = self.grid.pack(bits)
        self.grid.fill_rim(room)
        return room

    def unpack(self, room: Tensor, like: Tensor) -> Tensor:
        """Return the cells of words, in the shape and dtype of the level that was packed."""
        bits = self.grid.unpack(room)
        if self.worlds and self.cell.planes > 1:
            planes = bits.unflatten(1, (-1, self.cell.planes))
            bits = sum(planes[:, :, plane] << plane for plane in range(self.cell.planes))
            bits = torch.as_tensor(bits)
        return bits.to(like.dtype)

    def step(self, room: Tensor) -> Tensor:
        """Return the words of all cells' successors, their rim filled."""
        after = torch.empty_like(room)
        row = max(room[:, :, :1].numel(), 1)
        rows = max(min(BLOCK // row, self.grid.rows), 1)
        buffers: list[Tensor] = []
        for start in range(0, self.grid.rows, rows):
            count = min(rows, self.grid.rows - start)
            self._step_rows(room, after, start, count, buffers)
        self.grid.fill_rim(after)
        return after

    def _step_rows(
        self, room: Tensor, after: Tensor, start: int, count: int, buffers: list[Tensor]
    ) -> None:
        planes, radius = self.cell.planes, self.grid.radius
        window = (start, count)
        wires = {
            number: _seen(room[:, plane::planes], offset, radius, window)
            for number, (offset, plane) in enumerate(
                (offset, plane) for offset in self.cell.offsets for plane in range(planes)
            )
        }
        middle = (0,) * len(self.grid.size)
        outputs = [
            _seen(after[:, plane::planes], middle, radius, window) for plane in range(planes)
        ]
        shape = outputs[0].shape
        if not buffers or buffers[0].shape != shape:
            buffers[:] = [room.new_empty(shape) for _ in range(self._plan.buffers)]
        places = {-1 - number: output for number, output in enumerate(outputs)}
        for operation, reads, place, wire in self._plan.instructions:
            out = places[place] if place < 0 else buffers[place]
            operation(*(wires[read] for read in reads), out=out)
            wires[wire] = out
        for output, wire in zip(outputs, self.cell.circuit.outputs, strict=True):
            if wire < 0:
                output.fill_(-1 if wire == ONE else 0)
            elif wires[wire] is not output:
                output.copy_(wires[wire])

    @cached_property
    def _plan(self) -> "Plan":
        return Plan.of(self.cell.circuit)


@dataclass(frozen=True)
class Plan:
    """In which buffers the gates of a circuit leave their outcomes.

    Attributes:
        instructions: In order; buffer -1 is that of output 0, -2 of output 1, and so on.
        buffers: How many are needed beside the outputs.
    """

    instructions: tuple[Instruction, ...]
    buffers: int

    @classmethod
    def of(cls, circuit: Circuit) -> "Plan":
        """Return the plan of a circuit: a buffer is free again once its last reader is done."""
        last, free, held = circuit.last_use(), [], {}
        own = {wire: -1 - number for number, wire in enumerate(circuit.outputs)}
        instructions, buffers = [], 0
        for number, gate in enumerate(circuit.gates):
            wire = circuit.inputs + number
            for read in {gate.first, gate.second}:
                if last[read] == number and read in held:
                    free.append(held.pop(read))
            if wire in own:
                place = own[wire]
            else:
                if not free:
                    free.append(buffers)
                    buffers += 1
                place = held[wire] = free.pop()
            reads = (gate.first,) if gate.op == "not" else (gate.first, gate.second)
            operation = OPERATIONS.get(gate.op, torch.bitwise_not)
            instructions.append((operation, reads, place, wire))
        return cls(tuple(instructions), buffers)


def why_not_bits(automaton: HasSpec, state: State) -> str | None:
    """Return the first reason why a state cannot be stepped as bits, or None: it can."""
    return bits_obstacle(automaton.spec, state, 1.0)


def bits_obstacle(spec: StepSpec, state: State, fire_rate: float) -> str | None:
    """Return the first reason why a state cannot be stepped as bits, or None: it can."""
    if spec.alive or spec.skips or (spec.noise and spec.noise.scale) or spec.step_size != 1:
        return "it has an alive mask, noise, temporal skips or a step size"
    if fire_rate < 1:
        return "not all cells fire"
    if not spec.topology.local:
        return "the grid is divided among processes"
    changing = [name for name in spec.rules if spec.rules_of(name)]
    for name in changing:
        term = _term(spec, name, state.axes)
        if isinstance(term, str):
            return f'a rule of level "{name}" {term}'
        circuit = circuit_of(term)
        if isinstance(circuit, str):
            return f'a rule of level "{name}" {circuit}'
        states = term.states if isinstance(term, TableTerm) else 2
        level = state[name]
        if level.requires_grad and torch.is_grad_enabled():
            return "gradients are asked for"
        if not _holds_states(level, states):
            return f'level "{name}" holds other numbers than 0 to {states - 1}'
    return None if changing else "no level has a rule"


def _holds_states(level: Tensor, states: int) -> bool:
    """Return whether all numbers of a level are whole ones from 0 to `states - 1`."""
    cells = level.to(torch.uint8)
    return not cells.numel() or (
        bool(cells.to(level.dtype).equal(level)) and int(cells.max()) < states
    )


def _term(spec: StepSpec, name: str, axes: int) -> TableTerm | GatesTerm | str:
    """Return the only term of the only rule of a level, or why there is none."""
    rules = spec.rules_of(name)
    if len(rules) != 1:
        return "is not alone on it"
    (rule,) = rules
    program = rule.program_alone(spec.context(name, axes))
    if isinstance(program, NotDeclared):
        return program.why
    term = next(iter(program.terms))
    if len(program.terms) > 1 or not isinstance(term, TableTerm | GatesTerm):
        return "is no table and no network of logic gates"
    if any(len(offset) != axes for offset in term.offsets):
        return "looks along other axes than the grid has"
    return term


def _seen(words: Tensor, offset: tuple[int, ...], radius: int, rows: tuple[int, int]) -> Tensor:
    """Return the words of the neighbours at an offset, for some rows of words."""
    start, count = rows
    words = words.narrow(2, radius + start + offset[0], count)
    for axis, by in enumerate(offset[1:], start=3):
        words = words.narrow(axis, radius + by, words.shape[axis] - 2 * radius)
    return words
