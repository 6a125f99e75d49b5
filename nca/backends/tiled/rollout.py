"""Many steps as one node of the graph, where a mask that does not change spares most cells.

The cells that change are written in place, forwards into one copy of the levels and backwards into
one copy of their gradient; kept are the lists of these cells, and what their layers were given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nca.backends.tiled.part import Kept, LevelPart, TilePart
from nca.backends.tiled.program import TiledProgram
from nca.backends.tiled.step import move_channels_last, refuse_second_derivatives
from nca.backends.tiled.work import Changes, unrounded
from nca.types import Boundary


@dataclass(frozen=True)
class TiledRollout:
    """Steps of a program whose gradient needs no state: each neighbour is seen apart, as it is.

    Attributes:
        program: The rules; `TiledProgram.needs_states` is false.
        boundaries: What lies beyond the edge of the grids; not zeros.
        changes: Returns, for the number of a step from 0 on, what changes in each level.
        steps: How many.
        step_size: Factor of what the rules propose.
    """

    program: TiledProgram
    boundaries: tuple[Boundary, ...]
    changes: Callable[[int], Sequence[Changes]]
    steps: int
    step_size: float

    @cached_property
    def read(self) -> list[str]:
        """The levels that are read or written."""
        return list(dict.fromkeys(field.level for field in self.program.fields))

    @property
    def written(self) -> list[str]:
        """The levels of the program."""
        return [level.name for level in self.program.levels]

    def apply(self, levels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the levels of the program after the steps, `(B, C, *space)`."""
        given = [levels[name] for name in self.read]
        if torch.is_grad_enabled():
            outcomes = _Rollout.apply(self, *given, *self.program.weights)  # pyright: ignore
        else:
            outcomes, _ = self.outcomes([move_channels_last(one) for one in given], keeps=False)
        return dict(zip(self.written, [one.movedim(-1, 1) for one in outcomes], strict=True))

    @unrounded
    def outcomes(
        self, given: Sequence[Tensor], keeps: bool
    ) -> tuple[list[Tensor], list[tuple[list[Tensor | None], Kept]]]:
        """Return the levels of the program, `(B, *space, C)`, and what each step has kept.

        Args:
            given: What is read, `(B, *space, C)`.
            keeps: Whether a gradient will be asked for.
        """
        grids = dict(zip(self.read, given, strict=True))
        grids |= {name: grids[name].clone() for name in self.written}
        rows = [grids[name].flatten(0, -2) for name in self.written]
        kept = []
        for number in range(self.steps):
            changes = self.changes(number)
            part = self._part(grids, changes, keeps)
            part.step(rows)
            if keeps:
                kept.append(([own.cells for own in changes], part.kept))
        return [grids[name] for name in self.written], kept

    @unrounded
    def gradients(
        self,
        given: Sequence[Tensor],
        gradients: Sequence[Tensor],
        needed: Sequence[bool],
        kept: Sequence[tuple[list[Tensor | None], Kept]],
    ) -> tuple[list[Tensor | None], list[Tensor]]:
        """Return the gradients of what is read, where one is asked for, and of all weights.

        Args:
            given: What was read, `(B, *space, C)`.
            gradients: Of the levels of the program after the steps, which are overwritten.
            needed: Of what is read, whether a gradient is asked for.
            kept: What each step has kept.
        """
        grids = dict(zip(self.read, given, strict=True))
        found = dict(zip(self.written, gradients, strict=True))
        for name, asked in zip(self.read, needed, strict=True):
            if asked and name not in found:
                found[name] = torch.zeros_like(grids[name])
        of_windows = [found.get(field.level) for field in self.program.fields]
        of_levels = [found[name] for name in self.written]
        rows = [one.flatten(0, -2) for one in of_levels]
        of_weights = [torch.zeros_like(weight) for weight in self.program.weights]
        sums = self.program.sums(of_weights)
        for cells, own in reversed(kept):
            part = self._part(grids, [Changes(one, None) for one in cells], True, own)
            part.add_gradients(rows, of_windows, of_levels, sums)
        return [found.get(name) for name in self.read], of_weights

    def _part(
        self,
        grids: Mapping[str, Tensor],
        changes: Sequence[Changes],
        keeps: bool,
        kept: Kept = (),
    ) -> TilePart:
        windows = [grids[field.level] for field in self.program.fields]
        pairs = zip(self.written, changes, strict=True)
        levels = [LevelPart(grids[name], own.cells, own.noise) for name, own in pairs]
        return TilePart(
            self.program, windows, levels, self.step_size, self.boundaries, kept, keeps=keeps
        )


class _Rollout(torch.autograd.Function):
    """Steps, and their gradient."""

    @staticmethod
    def forward(ctx: Any, rollout: TiledRollout, *given: Tensor) -> tuple[Tensor, ...]:
        count = len(rollout.read)
        grids = [move_channels_last(one) for one in given[:count]]
        outcomes, kept = rollout.outcomes(grids, keeps=True)
        ctx.rollout = replace(rollout, changes=_none)  # or it would hold on to the first state
        ctx.cells = [cells for cells, _ in kept]
        ctx.shape = [[len(one) for one in own] for _, own in kept]
        flat = [tensor for _, own in kept for one in own for tensor in one]
        ctx.save_for_backward(*grids, *flat)
        return tuple(outcomes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        refuse_second_derivatives()
        rollout: TiledRollout = ctx.rollout
        count, saved = len(rollout.read), ctx.saved_tensors
        rest = iter(saved[count:])
        own = [[[next(rest) for _ in range(n)] for n in step] for step in ctx.shape]
        kept = list(zip(ctx.cells, own, strict=True))
        copies = [one.clone(memory_format=torch.contiguous_format) for one in gradients]
        needed = ctx.needs_input_grad[1 : 1 + count]
        of_read, of_weights = rollout.gradients(saved[:count], copies, needed, kept)
        asked = [one if n else None for one, n in zip(of_read, needed, strict=True)]
        moved = [None if one is None else one.movedim(-1, 1) for one in asked]
        return (None, *moved, *of_weights)


def _none(number: int) -> Sequence[Changes]:
    raise AssertionError(f"step {number} is asked for again")
