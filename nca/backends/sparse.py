"""Sparse step: computes only the cells that can change.

Where an alive mask spares most of a grid, and the fire rate half of the rest, few cells can
change. `SparseInputs` hands them out as a list; the change is added where it belongs.
"""

import torch
from torch import Tensor

from nca.backends.changing import changing_cells, may_change
from nca.backends.sparse_inputs import SparseInputs
from nca.backends.tiled.layers import ROWS
from nca.backends.tiled.stepper import TiledStepper
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import (
    DenseStepper,
    Stepper,
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


class SparseStepper(Stepper):
    """Steps that leave out the cells that cannot change, where that is faster.

    Args:
        spec: What a step is; `spares_cells` holds for it.
        tiled: Takes the steps in which too many cells can change, or None: they are dense.
        always: Whether to leave cells out even where other steps would be faster.
    """

    way = "sparse"

    def __init__(
        self, spec: StepSpec, tiled: TiledStepper | None = None, *, always: bool = False
    ) -> None:
        self.spec, self.tiled, self.always = spec, tiled, always
        self._dense = DenseStepper(spec)

    def prepare(self, state: State) -> State:
        """Return the state with the channels of each cell side by side."""
        return (self.tiled or self._dense).prepare(state)

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass; see `nca.engine.stepper.Stepper.step`."""
        spec = self.spec
        inputs = self._dense.inputs(state)
        alive = spec.alive_mask(state)
        assert alive is not None
        listed = {
            name: select_cells(
                inputs, name, may_change(spec, name, alive), fire_rate, always=self.always
            )
            for name in spec.writable_levels
            if all(rule.cellwise for rule in spec.rules_of(name))
        }
        if self.tiled and None in listed.values():
            return self.tiled.step_living(state, fire_rate, alive)
        levels = {}
        for name in spec.writable_levels:
            updated = self._updated(inputs, listed.get(name), name, alive, fire_rate)
            if updated is not None:
                levels[name] = updated
        return complete_step(spec, state, levels, alive)

    def restore(self, state: State, whole: State) -> State:
        """Return the state as it is; see `nca.engine.stepper.Stepper.restore`."""
        return state

    def _updated(
        self,
        inputs: DenseInputs,
        listed: SparseInputs | None,
        name: str,
        alive: Tensor,
        fire_rate: float,
    ) -> Tensor | None:
        if listed is None:
            return dense_update(self.spec, inputs, name, alive, fire_rate)
        change = proposed_change(self.spec, listed, name)
        return None if change is None else listed.changed(name, change)


def spares_cells(spec: StepSpec) -> bool:
    """Return whether some level has cells that cannot change, and rules that can be listed."""
    if spec.alive is None:
        return False
    rules = (spec.rules_of(name) for name in spec.writable_levels)
    return any(own and all(rule.cellwise for rule in own) for own in rules)


def select_cells(
    inputs: DenseInputs, name: str, allowed: Tensor, fire_rate: float, *, always: bool = False
) -> SparseInputs | None:
    """Return the inputs of the cells of a level that change, if a list of them is worth it.

    Args:
        inputs: The whole state.
        name: The level.
        allowed: Which cells may change if they fire, bool `(B, 1, *space)`.
        fire_rate: Chance that a cell fires.
        always: Whether to list even where the whole grid would be faster.
    """
    state = inputs.state
    if allowed.device.type != "cpu" or torch.compiler.is_compiling() or not inputs.topology.local:
        return None
    if any(state.size(level) != allowed.shape[2:] for level in state):
        return None
    if not always and int(allowed.sum()) * fire_rate > WORTH_LISTING * allowed.numel():
        return None
    cells = changing_cells(state, name, fire_rate, allowed)
    assert cells is not None
    count = len(cells)
    if count and _reduced(state[name]):
        cells = torch.cat([cells, cells[-1:].expand(-count % ROWS)])
    return SparseInputs(inputs, cells, count)


def _reduced(level: Tensor) -> bool:
    """Return whether products are of lower precision than float32."""
    return torch.is_autocast_enabled("cpu") or level.dtype.itemsize < 4
