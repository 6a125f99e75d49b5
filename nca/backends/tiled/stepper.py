"""Steps in tiles, for levels all of whose rules tiles can compute.

Only the cells that fire, and where an alive mask spares cells only those that may change, go
through the layers; for the gradient nothing is kept but states and the lists of these cells.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nca.backends.changing import changing_cells, may_change
from nca.backends.tiled.cuts import cut
from nca.backends.tiled.lowering import TiledTerm, lower_to_tiles
from nca.backends.tiled.program import TiledProgram
from nca.backends.tiled.rollout import TiledRollout
from nca.backends.tiled.step import TiledStep, move_channels_last
from nca.backends.tiled.work import Changes, cells_of_tile
from nca.engine.program import MLPTerm, Program, Stencils
from nca.engine.rim import Rim, transformed
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import HasSpec, Stepper, StepSpec, complete_step, dense_update

WORTH_TILING = 0.75
"""The chance to fire up to which cells that perceive by kernels of their own are faster in tiles.
Measured on one core: with 0.5 steps take half to two thirds of the dense time, with 1 up to 1.2
times as long."""


class TiledStepper(Stepper):
    """Steps in tiles.

    Args:
        spec: What a step is; `tiling_obstacle` finds nothing in its way.
        state: The state that the rollout starts from.
    """

    way = "tiled"

    def __init__(self, spec: StepSpec, state: State) -> None:
        self.spec = spec
        found = {name: _terms(spec, name, state.axes) for name in spec.writable_levels}
        terms = {n: own for n, own in found.items() if own and not isinstance(own, str)}
        products = _products(state)
        with torch.autocast("cpu", enabled=False):  # weights are rounded once, when they are whole
            self.program = TiledProgram(terms, state.axes, products)
        self._boundaries = spec.topology.of(state.axes)
        fields = self.program.fields
        self._unpadded = [None] * len(fields)
        self._rims = [Rim(self._boundaries, field.reach) for field in fields]

    @property
    def lists(self) -> bool:
        """Whether tiles are faster than `SparseStepper` also where few cells change.

        They are where each neighbour is seen apart; the gradient of stencils takes all cells.
        """
        return self.program.sees_apart

    def prepare(self, state: State) -> State:
        """Return the state with the channels of each cell side by side."""
        return state.map(lambda level: level.movedim(1, -1).contiguous().movedim(-1, 1))

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass; see `nca.engine.stepper.Stepper.step`."""
        return self.step_living(state, fire_rate, self.spec.alive_mask(state))

    def step_living(self, state: State, fire_rate: float, alive: Tensor | None) -> State:
        """Let one step pass on a state whose alive mask is known; see `step`."""
        spec = self.spec
        inputs = DenseInputs(state, spec.layout, spec.topology)
        names = [level.name for level in self.program.levels]
        changes = [self._changes(state, name, alive, fire_rate) for name in names]
        step = self._laid_out(state, changes)
        if spec.topology.local:
            fields = [state[field.level] for field in self.program.fields]
        else:  # other processes hold what lies in the rim
            fields = [inputs.padded(field.level, field.reach) for field in self.program.fields]
        levels = dict(zip(names, step.apply(fields), strict=True))
        for name in spec.writable_levels:
            if name not in levels:
                updated = dense_update(spec, inputs, name, alive, fire_rate)
                if updated is not None:
                    levels[name] = updated
        return complete_step(spec, state, levels, alive)

    def advance(self, state: State, steps: int, fire_rate: float) -> State:
        """Let many steps pass, where possible as one node; see `nca.engine.stepper.Stepper`."""
        alive = self._lasting_mask(state)
        few = alive is not None and int(alive.sum()) * fire_rate <= WORTH_TILING * alive.numel()
        if steps < 2 or alive is None or not few:
            return super().advance(state, steps, fire_rate)

        def changes(number: int) -> list[Changes]:
            now = state.replace(step=state.step + number)
            return [self._changes(now, one.name, alive, fire_rate) for one in self.program.levels]

        program, boundaries = self.program, self._boundaries
        rollout = TiledRollout(program, boundaries, changes, steps, self.spec.step_size)
        return state.replace(rollout.apply(state), step=state.step + steps)

    def restore(self, state: State, whole: State) -> State:
        """Return the state as it is; see `nca.engine.stepper.Stepper.restore`."""
        return state

    def _lasting_mask(self, state: State) -> Tensor | None:
        """Return which cells live, if that stays so and nothing but their programs matters."""
        spec, written = self.spec, {level.name for level in self.program.levels}
        if spec.alive is None or spec.alive.dead != "frozen" or spec.alive.level in written:
            return None
        if spec.skips or set(spec.writable_levels) != written or self.program.needs_states:
            return None
        if not spec.topology.local or "zeros" in self._boundaries:
            return None
        return spec.alive_mask(state)

    def _laid_out(self, state: State, changes: Sequence[Changes]) -> TiledStep:
        """Return a step, with rims around the grids where some tile is a part of one."""
        size = state.size(self.program.levels[0].name)
        tiles = cut(state.batch, size, cells_of_tile(changes, state.batch * math.prod(size)))
        local = self.spec.topology.local
        if local and tiles[0].rows == size[0] and "zeros" not in self._boundaries:
            rims, boundaries = self._unpadded, self._boundaries
        else:
            rims, boundaries = self._rims if local else self._unpadded, None
        return TiledStep(self.program, tiles, rims, boundaries, changes, self.spec.step_size)

    def _changes(self, state: State, name: str, alive: Tensor | None, fire_rate: float) -> Changes:
        allowed = None if alive is None else may_change(self.spec, name, alive)
        cells = changing_cells(state, name, fire_rate, allowed)
        return Changes(cells, self._noise(state, name, cells))

    def _noise(self, state: State, name: str, cells: Tensor | None) -> Tensor | None:
        noise = self.spec.noise
        if noise is None or not noise.scale:
            return None
        rng = replace(state.rng, cells=cells)
        draw = rng.normal if noise.kind == "normal" else rng.uniform
        drawn = draw(f"noise/{name}", self.spec.layout[name].channels, state.size(name))
        return move_channels_last(noise.scale * drawn.to(state[name].dtype)).flatten(0, -2)


def why_not_tiled(automaton: HasSpec, state: State) -> str | None:
    """Return the first reason why a state cannot take steps in tiles, or None: it can."""
    return tiling_obstacle(automaton.spec, state)


def tiles_pay(spec: StepSpec, state: State, fire_rate: float) -> bool:
    """Return whether steps in tiles are faster than dense ones, where they are possible.

    They are where few cells fire, since the others skip the layers, and where cells perceive by
    stencils, which a sparse product computes several times as fast as a convolution does.
    """
    if fire_rate <= WORTH_TILING:
        return True
    stencils = (
        isinstance(perception, Stencils)
        for name in spec.writable_levels
        for rule in spec.rules_of(name)
        if isinstance(program := rule.program_alone(spec.context(name, state.axes)), Program)
        for term in program.terms
        if isinstance(term, MLPTerm)
        for perception in term.perceptions
    )
    return any(stencils)


def tiling_obstacle(spec: StepSpec, state: State) -> str | None:
    """Return the first reason why a state cannot take steps in tiles, or None: it can."""
    asked = (_of_machine, _of_state, _of_rules)
    return next((reason for ask in asked if (reason := ask(spec, state))), None)


def _of_machine(spec: StepSpec, state: State) -> str | None:
    if torch.compiler.is_compiling() or transformed():
        return "a compiler or a function transform follows the step"
    devices = {tensor.device.type for tensor in state.values()}
    if devices != {"cpu"}:
        return f"the state is on {' and '.join(sorted(devices))}, and tiles are for a CPU"
    if not torch.backends.mkl.is_available():
        return "torch was built without MKL, whose sparse products tiles perceive with"
    return None


def _of_state(spec: StepSpec, state: State) -> str | None:
    if len({tensor.shape[2:] for tensor in state.values()}) > 1:
        return "its levels differ in size"
    kinds = {tensor.dtype for tensor in (*state.values(), *_parameters(spec))}
    if len(kinds) > 1 or not kinds <= {torch.float32, torch.float64}:
        named = " and ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        return f"weights and state are of {named}, and not both of float32 or float64"
    if not state.batch:
        return "the state holds no sample"
    return None


def _of_rules(spec: StepSpec, state: State) -> str | None:
    reasons = []
    for name in spec.writable_levels:
        found = _terms(spec, name, state.axes)
        if not isinstance(found, str) and found:
            return None
        reasons += [found] if isinstance(found, str) else []
    return reasons[0] if reasons else "it has no rules"


def _terms(spec: StepSpec, name: str, axes: int) -> list[TiledTerm] | str:
    """Return the terms of all rules of a level, or why tiles cannot compute one of them."""
    context, terms = spec.context(name, axes), []
    for number, rule in enumerate(spec.rules_of(name)):
        found = lower_to_tiles(rule.program_alone(context), context)
        if isinstance(found, str):
            return f'rule {number} of level "{name}" ({type(rule).__name__}) {found}'
        terms += found
    return terms


def _parameters(spec: StepSpec) -> Iterator[Tensor]:
    for rules in spec.rules.values():
        for rule in rules:
            yield from rule.parameters()


def _products(state: State) -> torch.dtype:
    """Return the dtype of products on a CPU."""
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu")
    return next(iter(state.values())).dtype
