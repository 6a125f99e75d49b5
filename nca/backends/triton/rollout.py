"""Many fused steps as one operation of autograd.

Kept for the backward pass are the levels before each step and a mask of a byte for each cell,
nothing else that was computed. Gradients of weights add up on the device, in as many parts as
there are programs, over all steps; the parts are summed once, at the end.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.backends.triton.backward import BackwardLaunches, GradientSums, of_fields, work_of
from nca.backends.triton.forward import ForwardLaunches
from nca.backends.triton.graphs import RolloutGraphs
from nca.backends.triton.inputs import RolloutArguments, RolloutHistory, RolloutInputs
from nca.backends.triton.step import Weights, field_rows


def roll_out(
    weights: Weights,
    arguments: RolloutArguments,
    fields: Sequence[Tensor],
    graphs: RolloutGraphs | None = None,
) -> tuple[Tensor, ...]:
    """Return the levels of the plan after some steps, `(B, C, H, W)` each.

    Args:
        weights: What `prepare` returned.
        arguments: The rollout.
        fields: What nets read and levels hold before it, float32 `(B, C, H, W)`. Fields that are
            no level of the plan stay the same in all steps. What the plan shows of a level is
            computed; the level itself stands in its place.
        graphs: Records rollouts, or None: each step is launched.
    """
    given = weights.packed, *fields
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        return _Rollout.apply(weights, arguments, graphs, *given)  # pyright: ignore[reportReturnType]
    inputs = RolloutInputs.of(weights, arguments, fields)
    replayed = graphs.forward(inputs, keep=False, wanted=(), of_weights=False) if graphs else None
    if replayed:
        ends, *_ = replayed
    else:
        launches = ForwardLaunches(inputs, keep=False)
        launches()
        ends = launches.ends
    return tuple(end.movedim(-1, 1) for end in ends)


class _Rollout(torch.autograd.Function):
    """The rollout; see `roll_out`."""

    @staticmethod
    def forward(
        ctx: Any,
        weights: Weights,
        arguments: RolloutArguments,
        graphs: RolloutGraphs | None,
        packed: Tensor,
        *fields: Tensor,
    ) -> tuple[Tensor, ...]:
        inputs = RolloutInputs.of(weights, arguments, fields)
        ctx.weights, ctx.arguments, ctx.fields = weights, arguments, len(fields)
        ctx.graphs, ctx.graph, ctx.claim = graphs, None, None
        _, _, _, of_weights, *wanted = ctx.needs_input_grad
        replayed = None
        if graphs:
            replayed = graphs.forward(inputs, keep=True, wanted=wanted, of_weights=of_weights)
        if replayed:
            ends, ctx.graph, ctx.claim = replayed
            ctx.save_for_backward(packed, *fields)
        else:
            launches = ForwardLaunches(inputs, keep=True)
            launches()
            ends, history = launches.ends, launches.history
            ctx.save_for_backward(packed, *fields, *history.buffers, history.masks)
        return tuple(end.movedim(-1, 1) for end in ends)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, *saved = ctx.saved_tensors
        fields, kept = saved[: ctx.fields], saved[ctx.fields :]
        _, _, _, of_weights, *wanted = ctx.needs_input_grad
        after = tuple(map(field_rows, gradients))

        def launched() -> tuple[Tensor | None, list[Tensor | None]]:
            inputs = RolloutInputs.of(ctx.weights, ctx.arguments, fields)
            history = RolloutHistory(tuple(kept[:-1]), kept[-1]) if kept else _again(inputs)
            return _gradients(inputs, history, after, of_weights, wanted)

        if ctx.graph is not None and ctx.graph.holds(ctx.claim):
            of_packed, found = ctx.graphs.backward(ctx.graph, after, launched)
        else:
            of_packed, found = launched()
        return None, None, None, of_packed, *found


def _again(inputs: RolloutInputs) -> RolloutHistory:
    """Return what is kept of a rollout that has been replayed, and whose graph holds another."""
    launches = ForwardLaunches(inputs, keep=True)
    launches()
    return launches.history


def _gradients(
    inputs: RolloutInputs,
    history: RolloutHistory,
    gradients: tuple[Tensor, ...],
    of_weights: bool,
    wanted: Sequence[bool],
) -> tuple[Tensor | None, list[Tensor | None]]:
    """Return the gradient of the weights, and those of the fields, `(B, C, H, W)` each."""
    work = work_of(inputs, wanted, through=inputs.arguments.steps > 1)
    sums = GradientSums(inputs, work)
    of_first = any(wanted) or (of_weights and inputs.weights.plan.shares > 0)
    launches = BackwardLaunches(
        inputs, history, gradients, sums, work, of_weights=of_weights, of_first=of_first
    )
    launches()
    return sums.of_weights() if of_weights else None, of_fields(launches.before, wanted)
