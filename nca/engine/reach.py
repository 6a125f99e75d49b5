"""How far a step looks: what parts of a grid that are stepped by themselves need around them."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nca.engine.context import RuleContext
from nca.engine.layout import Layout
from nca.engine.rim import extended
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import StepSpec, proposed_change
from nca.engine.topology import Topology
from nca.errors import ShapeError
from nca.types import Boundary


def reach(spec: StepSpec) -> int:
    """Return how many cells away a cell's next state may depend on another.

    They are cells of scale 1, and whole ones of the coarsest: where all levels of a part of a grid
    are right, after a step they are where that part is so much narrower. How far a rule looks is
    taken from its `radius`; see `looks_further`.
    """
    layout, alive = spec.layout, spec.alive
    far = (_declared(spec, name, rule) for name, rule in _rules(spec))
    changing = max(far, default=0)
    if alive is None:
        return changing
    living = _whole_cells(alive.radius * layout[alive.level].scale, layout.coarsest)
    if alive.dead == "cleared":  # whether it lives depends on how its neighbours have changed
        return changing + living
    return max(changing, living)


@torch.no_grad()
def looks_further(spec: StepSpec, state: State) -> str | None:
    """Return in words which rule looks further than its `radius` says, or None: no rule does.

    It is found out in a step of a small empty grid, unless the rule looks twice.

    Args:
        spec: What a step is.
        state: Of whose types and axes the small grid is.
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
    for name, rule in _rules(spec):
        farthest = 0
        alone = replace(spec, rules={name: (rule,)}, topology=topology, noise=None)
        proposed_change(alone, DenseInputs(small, spec.layout, topology), name)
        if farthest > _declared(spec, name, rule):
            seen = -(-farthest // spec.layout[name].scale)
            return f'{type(rule).__name__} of level "{name}" sees {seen}, not {rule.radius}'
    return None


def demand_declared_reach(spec: StepSpec, state: State, where: str) -> None:
    """Refuse rules that look further than their `radius` says.

    Args:
        spec: What a step is.
        state: Of whose types and axes a small grid is on which they are tried.
        where: What takes that radius for granted.

    Raises:
        ShapeError: One of them does.
    """
    if further := looks_further(spec, state):
        raise ShapeError(
            f"a rule sees cells that are further away than its radius: {further}.",
            where=where,
            to_do="let the rule say how far it sees: `radius`, of its class or its instances",
        )


def _rules(spec: StepSpec) -> Iterator[tuple[str, UpdateRule]]:
    """Yield all rules, each with the name of its level."""
    for name in spec.writable_levels:
        for rule in spec.rules_of(name):
            yield name, rule


def _declared(spec: StepSpec, name: str, rule: UpdateRule) -> int:
    """Return how many cells of scale 1 a rule may look away, whole ones of the coarsest."""
    far = rule.radius * spec.layout[name].scale + _beyond(spec.layout, name, rule)
    return _whole_cells(far, spec.layout.coarsest)


def _beyond(layout: Layout, name: str, rule: UpdateRule) -> int:
    """Return how many cells further than its radius a rule reaches through coarser levels."""
    context = RuleContext(layout, name)
    scales = [layout[context.name_of(read)].scale for read in rule.reads]
    return max(map(layout[name].resampling.margin, scales), default=0)


def _whole_cells(cells: int, scale: int) -> int:
    return -(-cells // scale) * scale
