"""The work of one step, tile by tile, on levels that are padded.

Legend: n cells of a tile, k of them change, C channels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.backends.tiled.cuts import CELLS, Tile, cut
from nca.backends.tiled.part import FEW, Kept, LevelPart, TilePart
from nca.backends.tiled.program import TiledProgram
from nca.engine.rim import inner


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


class TiledWork:
    """The work of one step.

    Args:
        program: The rules.
        changes: For each level of the program.
        step_size: Factor of what the rules propose.
        fields: The levels that are read, padded: `(B, *space and rim, C)`.
    """

    def __init__(
        self,
        program: TiledProgram,
        changes: Sequence[Changes],
        step_size: float,
        fields: Sequence[Tensor],
    ) -> None:
        self.program, self.step_size, self.fields = program, step_size, fields
        self.levels = [level for level in self._own(fields) if level is not None]
        batch, *size, _ = self.levels[0].shape
        self.tiles = cut(batch, tuple(size), self._cells(changes, batch * math.prod(size)))
        self.parts = [own.parts(self.tiles) for own in changes]

    @torch.autocast("cpu", enabled=False)  # which products are rounded is the program's to say
    def outcomes(self) -> tuple[list[Tensor], list[Kept]]:
        """Return the levels of the program after the step, and what each tile kept.

        Levels are `(B, *space, C)`.
        """
        outcomes = [
            torch.empty_like(level, memory_format=torch.contiguous_format) for level in self.levels
        ]
        rows = [level.flatten(0, -2) for level in outcomes]
        parts = [self._part(number) for number in range(len(self.tiles))]
        for part, tile in zip(parts, self.tiles, strict=True):
            part.step([one[tile.cells] for one in rows])
        return outcomes, [part.kept for part in parts]

    @torch.autocast("cpu", enabled=False)
    def gradients(
        self, gradients: Sequence[Tensor], needed: Sequence[bool], kept: Sequence[Kept]
    ) -> tuple[list[Tensor | None], list[Tensor]]:
        """Return the gradients of the fields, where one is asked for, and of all weights.

        Args:
            gradients: Of the levels after the step, `(B, *space, C)`.
            needed: Of which fields a gradient is asked for.
            kept: What each tile kept.
        """
        pairs = zip(self.fields, needed, strict=True)
        of_fields = [torch.zeros_like(field) if asked else None for field, asked in pairs]
        for own, gradient in zip(self._own(of_fields), gradients, strict=True):
            if own is not None:
                own.copy_(gradient)
        of_weights = [torch.zeros_like(weight) for weight in self.program.weights]
        sums = self.program.sums(of_weights)
        rows = [gradient.flatten(0, -2) for gradient in gradients]
        for number, tile in enumerate(self.tiles):
            windows = self._windows(tile, of_fields)
            here = [one[tile.cells] for one in rows]
            part = self._part(number, kept[number])
            part.add_gradients(here, windows, self._own(windows), sums)
        return of_fields, of_weights

    def _cells(self, changes: Sequence[Changes], count: int) -> int:
        """Return how many cells a tile shall have: the more, the fewer of them change."""
        most = max(count if own.cells is None else len(own.cells) for own in changes)
        share = max(most, 1) / max(count, 1)
        return CELLS if share >= FEW else round(CELLS * FEW / share)

    def _part(self, number: int, kept: Kept = ()) -> TilePart:
        windows = [w for w in self._windows(self.tiles[number], self.fields) if w is not None]
        pairs = zip(self._own(windows), self.parts, strict=True)
        levels = [LevelPart(own, *parts[number]) for own, parts in pairs if own is not None]
        return TilePart(self.program, windows, levels, self.step_size, kept)

    def _windows(self, tile: Tile, fields: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return what a tile sees of each field."""
        reaches = [field.reach[0] for field in self.program.fields]
        pairs = zip(fields, reaches, strict=True)
        return [None if one is None else tile.window(one, reach) for one, reach in pairs]

    def _own(self, fields: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the levels of the program inside the fields, or inside parts of them."""
        numbers, reaches = self.program.field_of_level, [f.reach for f in self.program.fields]
        found = [(fields[number], reaches[number]) for number in numbers]
        return [None if one is None else inner(one, reach) for one, reach in found]
