"""The work of one step, tile by tile, on levels that are padded.

Legend: n cells of a tile, k of them change, C channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from nca.backends.tiled.cuts import CELLS, Tile
from nca.backends.tiled.part import FEW, Kept, LevelPart, TilePart
from nca.backends.tiled.program import TiledProgram
from nca.engine.rim import inner
from nca.types import Boundary

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Changes:
    """Which cells of a level change in a step, and what is added to them beside the rules.

    Attributes:
        cells: `(k,)`, int64, counted on from sample to sample, in order; None: all.
        noise: What is added, `(k, C)`, or None.
    """

    cells: Tensor | None
    noise: Tensor | None

    def parts(self, tiles: Sequence[Tile]) -> list[tuple[Tensor | None, Tensor | None]]:
        """Return for each tile which of its cells change, and their noise."""
        if len(tiles) == 1:
            return [(self.cells, self.noise)]
        begins = [tile.cells.start for tile in tiles]
        if self.cells is None:
            ends = [tile.cells.stop for tile in tiles]
            cells = [None] * len(tiles)
        else:
            found = torch.searchsorted(self.cells, self.cells.new_tensor(begins)).tolist()
            first, ends = found, [*found[1:], len(self.cells)]
            spans = zip(first, ends, begins, strict=True)
            cells = [self.cells[a:b] - begin for a, b, begin in spans]
            begins = first
        if self.noise is None:
            return [(own, None) for own in cells]
        noise = [self.noise[a:b] for a, b in zip(begins, ends, strict=True)]
        return list(zip(cells, noise, strict=True))


def cells_of_tile(changes: Sequence[Changes], count: int) -> int:
    """Return about how many cells a tile shall have: the more, the fewer of them change.

    Args:
        changes: For each level.
        count: Cells of all grids.
    """
    most = max(count if own.cells is None else len(own.cells) for own in changes)
    share = max(most, 1) / max(count, 1)
    return CELLS if share >= FEW else round(CELLS * FEW / share)


def unrounded(call: Callable[P, T]) -> Callable[P, T]:
    """Return a call outside of autocast: which products are rounded is the program's to say."""

    @wraps(call)
    def called(*given: P.args, **named: P.kwargs) -> T:
        if not torch.is_autocast_enabled("cpu"):
            return call(*given, **named)
        with torch.autocast("cpu", enabled=False):
            return call(*given, **named)

    return called


class TiledWork:
    """The work of one step.

    Args:
        program: The rules.
        tiles: How the grids are cut.
        changes: For each level of the program.
        step_size: Factor of what the rules propose.
        fields: The levels that are read, `(B, *space, C)`, or padded, `(B, *space and rim, C)`.
        boundaries: What lies beyond the edge of fields without a rim, whose tiles are whole
            samples; None: they are padded.
    """

    def __init__(
        self,
        program: TiledProgram,
        tiles: Sequence[Tile],
        changes: Sequence[Changes],
        step_size: float,
        fields: Sequence[Tensor],
        boundaries: tuple[Boundary, ...] | None,
    ) -> None:
        self.program, self.tiles, self.step_size = program, tiles, step_size
        self.fields, self.boundaries = fields, boundaries
        none = (0,) * program.axes
        self.reaches = [none if boundaries else field.reach for field in program.fields]
        self.levels = [level for level in self._own(fields) if level is not None]
        self.parts = [own.parts(tiles) for own in changes]

    @unrounded
    def outcomes(self) -> tuple[list[Tensor], list[Kept]]:
        """Return the levels of the program after the step, and what each tile kept.

        Levels are `(B, *space, C)`.
        """
        outcomes = [level.clone(memory_format=torch.contiguous_format) for level in self.levels]
        rows = [level.flatten(0, -2) for level in outcomes]
        parts = [self._part(number) for number in range(len(self.tiles))]
        for part, tile in zip(parts, self.tiles, strict=True):
            part.step([one[tile.cells] for one in rows])
        return outcomes, [part.kept for part in parts]

    @unrounded
    def gradients(
        self, gradients: Sequence[Tensor], needed: Sequence[bool], kept: Sequence[Kept]
    ) -> tuple[list[Tensor | None], list[Tensor]]:
        """Return the gradients of the fields, where one is asked for, and of all weights.

        Args:
            gradients: Of the levels after the step, `(B, *space, C)`.
            needed: Of which fields a gradient is asked for.
            kept: What each tile kept.
        """
        of_fields: list[Tensor | None] = [None] * len(self.fields)
        for number, gradient in zip(self.program.field_of_level, gradients, strict=True):
            if needed[number]:
                of_fields[number] = self._padded(gradient, number)
        for number, (field, asked) in enumerate(zip(self.fields, needed, strict=True)):
            if asked and of_fields[number] is None:
                of_fields[number] = torch.zeros_like(field)
        of_weights = [torch.zeros_like(weight) for weight in self.program.weights]
        sums = self.program.sums(of_weights)
        rows = [gradient.flatten(0, -2) for gradient in gradients]
        for number, tile in enumerate(self.tiles):
            windows = self._windows(tile, of_fields)
            here = [one[tile.cells] for one in rows]
            part = self._part(number, kept[number])
            part.add_gradients(here, windows, self._own(windows), sums)
        return of_fields, of_weights

    def _padded(self, gradient: Tensor, number: int) -> Tensor:
        """Return a copy of the gradient of a level in the shape of its field."""
        if not any(self.reaches[number]):
            return gradient.clone()
        padded = torch.zeros_like(self.fields[number])
        inner(padded, self.reaches[number]).copy_(gradient)
        return padded

    def _part(self, number: int, kept: Kept = ()) -> TilePart:
        windows = [w for w in self._windows(self.tiles[number], self.fields) if w is not None]
        pairs = zip(self._own(windows), self.parts, strict=True)
        levels = [LevelPart(own, *parts[number]) for own, parts in pairs if own is not None]
        return TilePart(self.program, windows, levels, self.step_size, self.boundaries, kept)

    def _windows(self, tile: Tile, fields: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return what a tile sees of each field."""
        pairs = zip(fields, self.reaches, strict=True)
        return [None if one is None else tile.window(one, reach[0]) for one, reach in pairs]

    def _own(self, fields: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the levels of the program inside the fields, or inside parts of them."""
        found = [(fields[number], self.reaches[number]) for number in self.program.field_of_level]
        return [None if one is None else inner(one, reach) for one, reach in found]
