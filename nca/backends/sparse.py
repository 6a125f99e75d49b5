"""Sparse step: computes only the cells that can change.

Where an alive mask spares most of a grid, and the fire rate half of the rest, few cells can
change. `SparseInputs` hands them out as a list; the change is added where it belongs.
"""

from dataclasses import replace

import torch
from torch import Tensor

from nca.backends.sparse_inputs import SparseInputs
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import (
    DenseStepper,
    StepSpec,
    complete_step,
    dense_update,
    proposed_change,
)

# the share of cells that can change up to which a list is faster. Measured on one core, on batches
# of 1 to 16 grids of 28 to 72 cells a side: training steps take a third of the time at a share of
# 0.2, two thirds at 0.4, and as long as the whole grid's at 0.6; without gradient they are level
# at 0.4.
WORTH_LISTING = 0.35


class SparseStepper:
    """Steps that leave out the cells that cannot change, on every level where that is faster.

    Args:
        spec: What a step is; `spares_cells` holds for it.
        always: Whether to leave cells out even where the whole grid would be faster.
    """

    def __init__(self, spec: StepSpec, *, always: bool = False) -> None:
        self.spec, self.always = spec, always
        self._dense = DenseStepper(spec)

    def prepare(self, state: State) -> State:
        """Return the state with the channels of each cell side by side."""
        return self._dense.prepare(state)

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass; see `nca.engine.stepper.Stepper.step`."""
        spec = self.spec
        inputs = DenseInputs(state, spec.topology, self._dense.shared)
        alive = spec.alive_mask(state)
        assert alive is not None
        levels = {}
        for name in spec.writable_levels:
            updated = self._updated(inputs, name, alive, fire_rate)
            if updated is not None:
                levels[name] = updated
        return complete_step(spec, state, levels, alive)

    def restore(self, state: State, whole: State) -> State:
        """Return the state as it is; see `nca.engine.stepper.Stepper.restore`."""
        return state

    def _updated(
        self, inputs: DenseInputs, name: str, alive: Tensor, fire_rate: float
    ) -> Tensor | None:
        selected = self._selected(inputs, name, alive, fire_rate)
        if selected is None:
            return dense_update(self.spec, inputs, name, alive, fire_rate)
        change = proposed_change(self.spec, selected, name)
        return None if change is None else selected.changed(name, change)

    def _selected(
        self, inputs: DenseInputs, name: str, alive: Tensor, fire_rate: float
    ) -> SparseInputs | None:
        """Return the cells of a level that can change, if leaving out the others is worth it."""
        spec = self.spec
        assert spec.alive is not None
        if not all(rule.cellwise for rule in spec.rules_of(name)):
            return None
        if spec.alive.dead == "cleared" and name == spec.alive.level:
            # next to the living, a cell that comes alive keeps them alive before it is cleared
            alive = spec.topology.maximum(alive, spec.alive.radius)
        return select_cells(inputs, alive, f"fire/{name}", fire_rate, always=self.always)


def spares_cells(spec: StepSpec) -> bool:
    """Return whether some level has cells that cannot change, and rules that can be listed."""
    if spec.alive is None:
        return False
    rules = (spec.rules_of(name) for name in spec.writable_levels)
    return any(own and all(rule.cellwise for rule in own) for own in rules)


def select_cells(
    inputs: DenseInputs, living: Tensor, stream: str, fire_rate: float, *, always: bool = False
) -> SparseInputs | None:
    """Return the inputs of the cells that live and fire, if a list of them is worth it.

    Args:
        inputs: The whole state.
        living: Which cells may change if they fire, bool `(B, 1, *space)`.
        stream: The name of the randomness that decides which cells fire.
        fire_rate: Chance that a cell fires.
        always: Whether to list even where the whole grid would be faster.
    """
    state = inputs.state
    if living.device.type != "cpu" or torch.compiler.is_compiling() or not inputs.topology.local:
        return None
    if any(state.size(name) != living.shape[2:] for name in state):
        return None
    cells = living.flatten().nonzero().squeeze(1)
    if not always and len(cells) * fire_rate > WORTH_LISTING * living.numel():
        return None
    if fire_rate < 1:
        source = replace(state.rng, cells=cells)
        cells = cells[source.chance(stream, fire_rate, 1, tuple(living.shape[2:])).flatten()]
    return SparseInputs(inputs, cells)
