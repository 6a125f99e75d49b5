"""What is kept of a rollout for its gradient, and what is computed again.

The gradient of a step needs what the step computed on its way: several times as much as a state.
`[train] memory` chooses, and changes no bit of the gradient:

    store       keeps everything; each step is computed once
    recompute   keeps the state before each step; each step is computed twice
    segments    keeps about 2 sqrt(steps) states; each step is computed nearly three times
                (Chen et al. 2016)
    auto        takes the fastest of these that fits what is free, less a tenth

Randomness is counted, so that a step that is computed again is the same step, and the gradient
has the same bits. `nca plan RECIPE --measure` predicts and measures each mode; it does not predict
what an allocator adds. `[train] parts = 8` runs a batch in eight parts, one after the other, and
adds up their gradients, so that what is kept is that of one part; `auto` leaves `parts` to you.
What was measured: `nca help measured`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from nca.engine.state import State
from nca.types import Steps
from nca.validation.checked import Options
from nca.validation.faults import Fault

Advance = Callable[[State, int], State]
"""Lets so many steps pass."""


@dataclass(frozen=True)
class ActivationMemory(Options):
    """What a rollout keeps for its gradient.

    Attributes:
        mode: `store`: everything. `recompute`: the state before each step. `segments`: the state
            before every so many steps, and within one such segment, while its gradient is due,
            the state before each step. `auto`: whatever training has found to fit; everything,
            as long as none was tried.
        every: Steps of a segment; the root of all steps, which keeps the fewest, if not given.
    """

    mode: Literal["auto", "store", "segments", "recompute"] = "auto"
    every: Steps | None = None

    def conflicts(self) -> Iterator[Fault]:
        """Yield the fault of a length without segments."""
        if self.every and self.mode != "segments":
            to_do = 'only segments have a length: { mode = "segments", every = 8 }'
            yield Fault(("every",), f"is {self.every}", to_do)

    def stride(self, steps: int) -> int:
        """Return how many steps lie between the states that a rollout of `steps` keeps."""
        if self.mode == "segments":
            return min(self.every or math.isqrt(max(steps - 1, 0)) + 1, max(steps, 1))
        return 1 if self.mode == "recompute" else max(steps, 1)

    def run(self, advance: Advance, state: State, steps: int) -> State:
        """Let steps pass, and keep for the gradient what this memory says.

        Args:
            advance: Lets steps pass and keeps everything.
            state: The first state.
            steps: How many steps.
        """
        if self.mode in ("auto", "store") or not torch.is_grad_enabled() or steps < 1:
            return advance(state, steps)
        each, stride = partial(_each, advance), self.stride(steps)
        # the last segment comes first on the way back: nothing is gained by forgetting it before
        done = steps - 1 - (steps - 1) % stride if stride > 1 else 0
        for _ in range(0, done, stride):
            state = _checkpointed(each, state, stride)
        return each(state, steps - done)


def _each(advance: Advance, state: State, steps: int) -> State:
    for _ in range(steps):
        state = _checkpointed(advance, state, 1)
    return state


def _checkpointed(advance: Advance, state: State, steps: int) -> State:
    """Let steps pass, and compute them again when their gradient is due.

    The state is handed over as tensors, because what is no tensor would be held by the segment
    that this one may lie in, and every state with it.
    """
    tensors, shape = pytree.tree_flatten(state)

    def stretch(*tensors: Tensor) -> Any:
        return advance(pytree.tree_unflatten(tensors, shape), steps)

    after = checkpoint(stretch, *tensors, use_reentrant=False, preserve_rng_state=False)
    assert isinstance(after, State)
    return after
