"""Captured rollouts: all launches of a rollout as one CUDA graph, those of its gradient as another.

A graph is replayed without Python, so what is timed is the device. It holds the random numbers of
the rollout that was captured: another step or random seed is captured anew.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nca.engine.automaton import Automaton
from nca.engine.state import State


class CapturedRollout:
    """Lets many steps pass by replaying a graph of them.

    Args:
        automaton: Whose weights have gradients; it stays in training, or in evaluation.
        rollout: Lets so many steps pass, with no word between host and device.
    """

    def __init__(self, automaton: Automaton, rollout: Callable[[State, int], State]) -> None:
        self.automaton = automaton
        self._rollout = rollout
        self._graphs: dict[tuple[Any, ...], Callable[..., tuple[Tensor, ...]]] = {}

    def __call__(self, state: State, steps: int) -> State:
        """Return the last state; without what skips remember."""
        shapes = tuple((name, tuple(level.shape)) for name, level in state.items())
        key = (steps, state.random_seed, state.step, torch.is_grad_enabled(), shapes)
        given = (state.samples, *state.values())
        if key not in self._graphs:
            eager = _Levels(self.automaton, self._rollout, state, steps)
            sample = tuple(tensor.clone() for tensor in given)
            # levels that a few steps do not reach have weights without a gradient
            graphed: Any = torch.cuda.make_graphed_callables(eager, sample, allow_unused_input=True)
            self._graphs[key] = graphed
        ends = self._graphs[key](*given)
        names = self.automaton.writable_levels
        return state.replace(dict(zip(names, ends, strict=True)), step=state.step + steps)


class _Levels(nn.Module):
    """A rollout as a function of tensors, which is what can be captured."""

    def __init__(
        self,
        automaton: Automaton,
        rollout: Callable[[State, int], State],
        state: State,
        steps: int,
    ) -> None:
        super().__init__()
        self.automaton = automaton
        self.train(automaton.training)
        self._rollout, self._steps = rollout, steps
        self._names, self._counters = list(state), (state.random_seed, state.step)

    def forward(self, samples: Tensor, *levels: Tensor) -> tuple[Tensor, ...]:
        """Return the levels that may have changed."""
        named = dict(zip(self._names, levels, strict=True))
        end = self._rollout(State(named, *self._counters, samples), self._steps)
        return tuple(end[name] for name in self.automaton.writable_levels)
