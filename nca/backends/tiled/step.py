"""One step of all levels that tiles compute, as one node of the graph.

Kept for the gradient are the levels, with the rims that tiles see, and the lists of changing cells;
all else is computed again, tile by tile, where more than a few cells change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.backends.tiled.cuts import Tile
from nca.backends.tiled.program import TiledProgram
from nca.backends.tiled.work import Changes, TiledWork
from nca.engine.rim import Rim
from nca.errors import ShapeError
from nca.types import Boundary


@dataclass(frozen=True)
class TiledStep:
    """One step: which cells change, and by which share.

    Attributes:
        program: The rules.
        tiles: How the grids are cut.
        rims: For each field of the program, what pads it; None: it is taken as it comes.
        boundaries: What lies beyond the edge of fields that have no rim; None: they have one.
        changes: For each level of the program.
        step_size: Factor of what the rules propose.
    """

    program: TiledProgram
    tiles: Sequence[Tile]
    rims: Sequence[Rim | None]
    boundaries: tuple[Boundary, ...] | None
    changes: Sequence[Changes]
    step_size: float

    def apply(self, fields: Sequence[Tensor]) -> list[Tensor]:
        """Return the levels of the program after the step, `(B, C, *space)`.

        Args:
            fields: The levels that are read, `(B, C, *space)`, in the order of the program.
        """
        if not torch.is_grad_enabled():
            outcomes, _ = self.work(self.padded(fields)).outcomes()
            return [level.movedim(-1, 1) for level in outcomes]
        return list(_Step.apply(self, *fields, *self.program.weights))  # pyright: ignore

    def padded(self, fields: Sequence[Tensor]) -> list[Tensor]:
        """Return fields with their rims, if they shall have some, `(B, *space and rim, C)`."""
        pairs = zip(self.rims, map(move_channels_last, fields), strict=True)
        return [rim.pad(field) if rim else field for rim, field in pairs]

    def work(self, padded: Sequence[Tensor]) -> TiledWork:
        """Return the work of the step on what `padded` returns."""
        return TiledWork(
            self.program, self.tiles, self.changes, self.step_size, padded, self.boundaries
        )


class _Step(torch.autograd.Function):
    """A step, and its gradient."""

    @staticmethod
    def forward(ctx: Any, step: TiledStep, *given: Tensor) -> tuple[Tensor, ...]:
        padded = step.padded(given[: len(step.rims)])
        outcomes, kept = step.work(padded).outcomes()
        ctx.step, ctx.shape = step, [[len(given) for given in part] for part in kept]
        ctx.save_for_backward(*padded, *(one for part in kept for given in part for one in given))
        return tuple(level.movedim(-1, 1) for level in outcomes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        refuse_second_derivatives()
        step: TiledStep = ctx.step
        count, saved = len(step.rims), ctx.saved_tensors  # which may be asked for but once
        rest = iter(saved[count:])
        kept = [[[next(rest) for _ in range(n)] for n in part] for part in ctx.shape]
        work, needed = step.work(saved[:count]), ctx.needs_input_grad[1 : 1 + count]
        padded, weights = work.gradients([move_channels_last(g) for g in gradients], needed, kept)
        fields = []
        for rim, field in zip(step.rims, padded, strict=True):
            folded = rim.fold(field) if rim and field is not None else field
            fields.append(None if folded is None else folded.movedim(-1, 1))
        return (None, *fields, *weights)


def refuse_second_derivatives() -> None:
    """Refuse to be differentiated while a gradient is taken.

    Raises:
        ShapeError: It is.
    """
    if torch.is_grad_enabled():
        raise ShapeError(
            "steps in tiles have a gradient, but that gradient has none.",
            where="backward(create_graph=True)",
            to_do="take other steps for second derivatives: Automaton(..., tiled=False)",
        )


def move_channels_last(tensor: Tensor) -> Tensor:
    """Return `(B, C, *space)` as `(B, *space, C)`, without a copy if channels lie side by side."""
    return tensor.movedim(1, -1).contiguous()
