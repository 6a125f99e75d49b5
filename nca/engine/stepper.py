"""One step: what it consists of, and the plain way to execute it.

A `StepSpec` says what a step is; a `Stepper` executes it. `DenseStepper` computes all cells of
the grid, and is the reference that all others (`nca.backends`, `nca.distributed.sharded`) equal.
One step, in this order:

1. the rules of each level propose changes, which are summed and scaled by the step size;
2. noise is added to the change;
3. the change is kept where the cell fires, and, where an alive mask freezes the dead, lives;
4. it is added to the level;
5. where an alive mask clears the dead, cells not alive both before and after become zero;
6. temporal skip connections add a remembered state, and remember this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from nca.engine.conditions import Alive, Noise, Skip, remember
from nca.engine.context import RuleContext
from nca.engine.layout import Layout
from nca.engine.program import Activation, Correlation, Program
from nca.engine.resample import Resampling, mask_read
from nca.engine.rim import transformed
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.step_inputs import (
    DenseInputs,
    Shared,
    StepInputs,
    shared_correlations,
)
from nca.engine.topology import Topology
from nca.engine.view import View
from nca.errors import ShapeError


@dataclass(frozen=True)
class StepSpec:
    """What a step is: all that an execution needs to know, and nothing of how.

    Attributes:
        layout: The levels, bottom level first.
        rules: The rules of each level that has any, in the order in which changes are summed.
        topology: What lies beyond the edge of the grid.
        alive: Which cells live, or None: all do.
        noise: Added to every change, or None.
        skips: Temporal skip connections, in the order in which they are added.
        step_size: Factor of every change.
        coordinates: Whether rules may ask where in the grid a cell is.
    """

    layout: Layout
    rules: Mapping[str, tuple[UpdateRule, ...]]
    topology: Topology
    alive: Alive | None = None
    noise: Noise | None = None
    skips: tuple[Skip, ...] = ()
    step_size: float = 1.0
    coordinates: bool = False

    @property
    def writable_levels(self) -> list[str]:
        """The levels that may change: all but the input."""
        return [name for name, level in self.layout.items() if not level.input]

    def rules_of(self, name: str) -> tuple[UpdateRule, ...]:
        """Return the rules of a level, in the order in which their changes are summed."""
        return self.rules.get(name, ())

    def context(self, name: str, axes: int = 2) -> RuleContext:
        """Return the surroundings of the rules of a level, in a grid of so many axes."""
        return RuleContext(self.layout, name, axes, self.topology, self.coordinates)

    def alive_mask(self, state: State) -> Tensor | None:
        """Return which cells live, or None without an alive mask.

        Returns:
            Bool `(B, 1, *space)`, in the grid of the level that tells life; see `alive_on`.
        """
        if self.alive is None:
            return None
        channel = state[self.alive.level].narrow(1, self.alive.channel, 1)
        return self.topology.maximum(channel, self.alive.radius) > self.alive.above

    def alive_on(self, name: str, alive: Tensor) -> Tensor:
        """Return an alive mask as the cells of a level read it.

        A cell lives if any finer cell that it covers does, or the coarser one that covers it.

        Args:
            name: The level.
            alive: What `alive_mask` returns.
        """
        assert self.alive is not None
        return mask_read(alive, self.layout[self.alive.level].scale, self.layout[name].scale)

    def clear_dead(self, state: State, alive_before: Tensor | None = None) -> State:
        """Return the state with zeros wherever no cell lives, on every level but the input.

        Args:
            state: The state to clear.
            alive_before: What `alive_mask` returned before; cells that were not alive then are
                cleared too.
        """
        alive = self.alive_mask(state)
        if alive is None:
            return state
        if alive_before is not None:
            alive = alive & alive_before
        living = {name: self.alive_on(name, alive) for name in self.writable_levels}
        return state.replace({name: state[name] * mask for name, mask in living.items()})


class HasSpec(Protocol):
    """An automaton, as far as those need to know it who ask how it steps."""

    @property
    def spec(self) -> StepSpec:
        """What a step is."""
        ...


class Stepper(Protocol):
    """A way to execute steps; all ways have the same outcome, within rounding.

    Attributes:
        way: What this way is called.
    """

    way: ClassVar[str]

    def prepare(self, state: State) -> State:
        """Return a state as this way steps it: laid out in its order, or a process's part."""
        ...

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass on a prepared state.

        Args:
            state: The old state; it is left untouched.
            fire_rate: Chance that a cell fires, from 0 to 1.
        """
        ...

    def advance(self, state: State, steps: int, fire_rate: float) -> State:
        """Let many steps pass on a prepared state, one by one unless this way knows better.

        Args:
            state: The old state; it is left untouched.
            steps: How many.
            fire_rate: Chance that a cell fires, from 0 to 1.
        """
        for _ in range(steps):
            state = self.step(state, fire_rate)
        return state

    def restore(self, state: State, whole: State) -> State:
        """Return a stepped state as the caller knows it.

        Args:
            state: The outcome of steps.
            whole: The state that was prepared.
        """
        ...


class DenseStepper(Stepper):
    """The plain step: every cell of every level, one rule after the other.

    Args:
        spec: What a step is.
        share: Whether rules whose correlations differ in numbers alone share a convolution.
    """

    way = "dense"

    def __init__(self, spec: StepSpec, *, share: bool = True) -> None:
        self.spec = spec
        self.shared = shared_correlations_of(spec) if share else {}

    def prepare(self, state: State) -> State:
        """Return the state with the channels of each cell side by side; see `Stepper.prepare`."""
        return state.map(channels_last)

    def inputs(self, state: State) -> DenseInputs:
        """Return what the rules of a step see of a state."""
        return DenseInputs(state, self.spec.layout, self.spec.topology, self.shared)

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass; see `Stepper.step`."""
        return dense_step(self.spec, self.inputs(state), fire_rate)

    def restore(self, state: State, whole: State) -> State:
        """Return the state as it is; see `Stepper.restore`."""
        return state


def dense_step(spec: StepSpec, inputs: DenseInputs, fire_rate: float) -> State:
    """Return the state after one step of all cells."""
    alive = spec.alive_mask(inputs.state)
    levels = {}
    for name in spec.writable_levels:
        updated = dense_update(spec, inputs, name, alive, fire_rate)
        if updated is not None:
            levels[name] = updated
    return complete_step(spec, inputs.state, levels, alive)


def dense_update(
    spec: StepSpec, inputs: DenseInputs, name: str, alive: Tensor | None, fire_rate: float
) -> Tensor | None:
    """Return a level after its change, or None: nothing changes it.

    Args:
        spec: What a step is.
        inputs: The state before the step.
        name: The level.
        alive: What `StepSpec.alive_mask` returns before the step.
        fire_rate: Chance that a cell fires.
    """
    level = inputs.state[name]
    change = proposed_change(spec, inputs, name)
    if change is None:
        return None
    if fire_rate < 1:
        rng = inputs.rng.at_scale(spec.layout[name].scale)
        change = change * rng.chance(f"fire/{name}", fire_rate, 1, tuple(level.shape[2:]))
    if alive is not None and spec.alive and spec.alive.dead == "frozen":
        change = change * spec.alive_on(name, alive)
    return (level + change).to(level.dtype)


def proposed_change(spec: StepSpec, inputs: StepInputs, name: str) -> Tensor | None:
    """Return what the rules of a level and noise add to it if every cell fires, or None.

    Raises:
        ShapeError: A rule's change does not fit its level.
    """
    context, change = spec.context(name, inputs.state.axes), None
    inputs = inputs.read_by(context.own)
    state, level = inputs.state, inputs.level(name)
    for number, rule in enumerate(spec.rules_of(name)):
        reads = frozenset(context.name_of(read) for read in rule.reads)
        proposed = rule(View(inputs, context, reads, f"rule/{name}/{number}"))
        check_change(proposed, level, rule, name, number)
        change = proposed if change is None else change + proposed
    if change is not None and spec.step_size != 1:
        change = change * spec.step_size
    if spec.noise and spec.noise.scale:
        rng = inputs.rng.at_scale(context.own.scale)
        draw = rng.normal if spec.noise.kind == "normal" else rng.uniform
        drawn = draw(f"noise/{name}", context.own.channels, state.size(name))
        drawn = spec.noise.scale * drawn.to(state[name].dtype)
        change = drawn if change is None else change + drawn
    return change


def check_change(change: object, level: Tensor, rule: UpdateRule, name: str, number: int) -> None:
    """Refuse a change that does not fit its level.

    Raises:
        ShapeError: It does not.
    """
    tensor = isinstance(change, Tensor)
    if tensor and change.shape == level.shape:
        return
    made = f"has shape {tuple(change.shape)}" if tensor else f"is {change!r:.40}"
    raise ShapeError(
        f'a change of "{name}" {made}, but the level has shape {tuple(level.shape)}.',
        where=f"{type(rule).__name__}, rule {number} of level {name!r}",
        to_do="return the change in the shape of `view.own`",
    )


def complete_step(
    spec: StepSpec, before: State, levels: Mapping[str, Tensor], alive: Tensor | None
) -> State:
    """Return the state after a step whose levels have been updated: cleared, and with skips."""
    after = before.replace(levels, step=before.step + 1)
    if alive is not None and spec.alive and spec.alive.dead == "cleared":
        after = spec.clear_dead(after, alive)
    return remember(spec.skips, spec.writable_levels, before, after)


def shared_correlations_of(spec: StepSpec) -> Shared:
    """Return the correlations of all rules that can be one convolution."""
    read: dict[Resampling, list[tuple[str, Correlation, Activation]]] = {}
    for name in spec.rules:
        context = spec.context(name)
        found = read.setdefault(context.own.resampling, [])
        for rule in spec.rules_of(name):
            program = rule.declared_program()
            if isinstance(program, Program):
                for one, activation in program.correlations:
                    found.append((context.name_of(one.level), one, activation))
    return {resampling: shared_correlations(found) for resampling, found in read.items()}


def channels_last(tensor: Tensor) -> Tensor:
    """Lay the channels of a cell side by side, as convolutions like it best (two axes only)."""
    if tensor.ndim != 4 or transformed():  # vmap knows of no such order
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)
