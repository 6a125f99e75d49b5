"""Steps of bits, for automata all of whose rules are tables of successors or hard logic gates.

Legend: B batch, P plane of bits.
"""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.backends.bits.plan import Plan, PlanRunner
from nca.backends.bits.words import WordGrid
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import NotDeclared
from nca.engine.rim import transformed
from nca.engine.state import State
from nca.engine.stepper import HasSpec, Stepper, StepSpec
from nca.types import Size

BLOCK = 1 << 15
"""Words that a gate computes at once, as a rule: the outcomes of all gates stay in the cache."""


class BitStepper(Stepper):
    """Steps of bits.

    Args:
        spec: What a step is; `bits_obstacle` finds nothing in its way.
        state: The state that the rollout starts from.
    """

    way = "bits"

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
        runners: What computes a step, by the shape of the words.
    """

    cell: CellCircuit
    grid: WordGrid
    worlds: bool
    runners: dict[Size, PlanRunner] = field(default_factory=dict, compare=False, repr=False)

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

    @cached_property
    def _plan(self) -> Plan:
        return Plan.of(self.cell)

    def step(self, room: Tensor) -> Tensor:
        """Return the words of all cells' successors, their rim filled."""
        after = torch.empty_like(room)
        row = max(room[:, :, :1].numel(), 1)
        rows = max(min(BLOCK // row, self.grid.rows), 1)
        for start in range(0, self.grid.rows, rows):
            self._step_rows(room, after, start, min(rows, self.grid.rows - start))
        self.grid.fill_rim(after)
        return after

    def _step_rows(self, room: Tensor, after: Tensor, start: int, count: int) -> None:
        plan, planes, radius = self._plan, self.cell.planes, self.grid.radius

        def rows(words: Tensor, plane: int, row: int) -> Tensor:
            words = words if planes == 1 else words[:, plane::planes]
            return words.narrow(2, radius + start + row, count)

        outputs = [rows(after, plane, 0) for plane in range(planes)]
        shape = outputs[0].shape
        if shape not in self.runners:
            self.runners[shape] = PlanRunner(plan, outputs[0], radius)
        self.runners[shape].run([rows(room, plane, row) for row, plane in plan.planes], outputs)


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
    if transformed():
        return "a function transform follows the step"
    changing = [name for name in spec.rules if spec.rules_of(name)]
    for name in changing:
        term = _term(spec, name, state.axes)
        if isinstance(term, str):
            return f'a rule of level "{name}" {term}'
        level = state[name]
        if torch.is_grad_enabled() and (level.requires_grad or _learns(term)):
            return "gradients are asked for"
        circuit = circuit_of(term)
        if isinstance(circuit, str):
            return f'a rule of level "{name}" {circuit}'
        states = term.states if isinstance(term, TableTerm) else 2
        if not _holds_states(level, states):
            return f'level "{name}" holds other numbers than 0 to {states - 1}'
    return None if changing else "no level has a rule"


def _learns(term: TableTerm | GatesTerm) -> bool:
    """Return whether gates have gradients; reading them would make the host wait for a GPU."""
    return isinstance(term, GatesTerm) and any(each.factors.requires_grad for each in term.layers)


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
