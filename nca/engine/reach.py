"""How far a step looks: what parts of a grid that are stepped by themselves need around them."""

from dataclasses import replace

import torch
from torch import Tensor

from nca.engine.context import RuleContext
from nca.engine.layout import Layout
from nca.engine.rim import extended
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import StepSpec, dense_step
from nca.engine.topology import Topology
from nca.types import Boundary


def reach(spec: StepSpec) -> int:
    """Return how many cells away a cell's next state may depend on another.

    They are cells of scale 1, and whole ones of the coarsest: where all levels of a part of a grid
    are right, after a step they are where that part is so much narrower. How far a rule looks is
    taken from its `radius`.
    """
    layout, alive = spec.layout, spec.alive
    far = [
        rule.radius * layout[name].scale + _beyond(layout, name, rule)
        for name in spec.writable_levels
        for rule in spec.rules_of(name)
    ]
    changing = _whole_cells(max(far, default=0), layout.coarsest)
    if alive is None:
        return changing
    living = _whole_cells(alive.radius * layout[alive.level].scale, layout.coarsest)
    if alive.dead == "cleared":  # whether it lives depends on how its neighbours have changed
        return changing + living
    return max(changing, living)


@torch.no_grad()
def looks_within(spec: StepSpec, state: State, cells: int) -> bool:
    """Return whether no look around of a step asks for cells further away than so many.

    A rule that looks further than its `radius` says is found out so, in a step of a small empty
    grid, unless it looks twice.

    Args:
        spec: What a step is.
        state: Of whose types and axes the small grid is.
        cells: Cells of scale 1.
    """
    side, farthest = 4 * spec.layout.coarsest, 0

    def extend(tensor: Tensor, dim: int, reach: int, boundary: Boundary) -> Tensor:
        nonlocal farthest
        farthest = max(farthest, reach * side // tensor.shape[dim])
        return extended(tensor, dim, reach, boundary)

    topology = Topology(spec.topology.boundaries, extend)
    like = next(iter(state.values()))
    size = (side,) * state.axes
    small = spec.layout.zeros(1, size, device=like.device, dtype=like.dtype)
    dense_step(replace(spec, topology=topology), DenseInputs(small, spec.layout, topology), 1.0)
    return farthest <= cells


def _beyond(layout: Layout, name: str, rule: UpdateRule) -> int:
    """Return how many cells further than its radius a rule reaches through coarser levels."""
    context = RuleContext(layout, name)
    scales = [layout[context.name_of(read)].scale for read in rule.reads]
    return max(map(layout[name].resampling.margin, scales), default=0)


def _whole_cells(cells: int, scale: int) -> int:
    return -(-cells // scale) * scale
