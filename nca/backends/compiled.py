"""Compiled step: the step of the whole grid as a program that `torch.compile` makes.

It is the step that is compiled and not the rollout, whose loop a compiler would unroll. The
randomness is the same to the bit, the arithmetic to rounding.
"""

import warnings
from typing import Any, Self

import torch
from torch import Tensor

from nca.engine.state import State
from nca.engine.stepper import DenseStepper, Stepper, StepSpec, channels_last


class CompiledStepper(Stepper):
    """Steps that torch compiles when the first of them passes.

    Args:
        spec: What a step is.
    """

    way = "compiled"

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec
        self.compiled_step = torch.compile(self._once)

    def prepare(self, state: State) -> State:
        """Return the state as all later ones are, so that one program is enough."""
        state = state.map(channels_last)
        if not torch.is_grad_enabled():
            return state
        return state.replace({name: _leaf(state[name]) for name in self.spec.writable_levels})

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass; see `nca.engine.stepper.Stepper.step`."""
        # a number that changes in every step must not be compiled in
        step_varies = torch.compiler.config.patch(dynamic_sources="L['state'].step")  # pyright: ignore
        with step_varies, warnings.catch_warnings():
            # the compiler looks at the gradients of states, and finds that they have none
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
            return self.compiled_step(state, fire_rate)

    def restore(self, state: State, whole: State) -> State:
        """Return the state as it is; see `nca.engine.stepper.Stepper.restore`."""
        return state

    def _once(self, state: State, fire_rate: float) -> State:
        return DenseStepper(self.spec).step(state, fire_rate)


class CompiledSteppers:
    """Compiled steppers that outlive their rollout, one for each kind of step."""

    def __init__(self) -> None:
        self._kept: list[CompiledStepper] = []

    def stepper(self, spec: StepSpec) -> CompiledStepper:
        """Return the stepper of a step, the one of an earlier rollout if there was one."""
        for kept in self._kept:
            if kept.spec == spec:
                return kept
        self._kept.append(CompiledStepper(spec))
        return self._kept[-1]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an empty one: what is compiled is compiled for these very weights."""
        return type(self)()


def _leaf(level: Tensor) -> Tensor:
    """Return a level that asks for a gradient, as all later ones do."""
    if level.requires_grad or not level.is_floating_point():
        return level
    return level.detach().requires_grad_()
