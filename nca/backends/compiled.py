"""The same automaton with one step compiled: the whole grid, in programs that torch writes for it.

It is the step that is compiled and not the rollout, whose loop a compiler would unroll. The
randomness is the same to the bit, the arithmetic to rounding.
"""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor

from nca.backends.fused import Fused
from nca.engine.automaton import Automaton, channels_last
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs, Kernels


class Compiled(Automaton):
    """An automaton whose steps torch compiles when the first of them passes.

    Args:
        automaton: Is left as it is; weights are shared with it.
        always: Whether to compile steps without gradient too. Without, evaluations take the plain
            steps, and wait for nothing.
    """

    def __init__(self, automaton: Automaton, *, always: bool = False) -> None:
        self.__dict__.update(automaton.__dict__)
        self.always, self.sparse = always, False
        self.compiled_step = torch.compile(self._once)

    def __deepcopy__(self, memo: dict[int, Any]) -> Automaton:
        """Return a plain copy: what is compiled is compiled for these very weights."""
        plain = Automaton.__new__(Automaton)
        own = ("always", "compiled_step")
        plain.__dict__.update({n: kept for n, kept in self.__dict__.items() if n not in own})
        return copy.deepcopy(plain, memo)

    def _once(self, state: State, fire_rate: float) -> State:
        return self._advance(DenseInputs(state, self.topology, self._kernels()), fire_rate)

    def _advance_by(
        self, state: State, steps: int, fire_rate: float, kernels: Kernels, fused: Fused | None
    ) -> State:
        if fused is not None or not (self.always or torch.is_grad_enabled()):
            return super()._advance_by(state, steps, fire_rate, kernels, fused)
        state = state.map(channels_last)
        if torch.is_grad_enabled():
            state = state.replace({name: _leaf(state[name]) for name in self.writable_levels})
        # a number that changes in every step must not be compiled in
        step_varies = torch.compiler.config.patch(dynamic_sources="L['state'].step")  # pyright: ignore
        with step_varies, warnings.catch_warnings():
            # the compiler looks at the gradients of states, and is told that they have none
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
            for _ in range(steps):
                state = self.compiled_step(state, fire_rate)
        return state


def _leaf(level: Tensor) -> Tensor:
    """Return a level that asks for a gradient, as all later ones do: one program is enough."""
    if level.requires_grad or not level.is_floating_point():
        return level
    return level.detach().requires_grad_()
