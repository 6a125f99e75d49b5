"""The work on one tile: perceive, compute the cells that change, add; and the gradients of that.

Legend: n cells of the tile, k of them change, C channels, K kernels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.tiled.layers import LayerSums, reduced
from nca.backends.tiled.perception import TilePerception
from nca.backends.tiled.program import ProgramSums, RowNet, TiledLevel, TiledProgram
from nca.types import Boundary

FEW = 0.3
"""The share of cells that change up to which what their layers are given is kept for the gradient,
and these alone are perceived, also by stencils."""

ALL_BUT_FEW = 0.9
"""The share up to which these alone are perceived where each neighbour is seen apart."""

FEW_STENCILS, FEW_UNITS = 0.08, 0.35
"""The shares up to which the gradient is sent home from these cells alone, one by one: where all
channels share some stencils, and where each neighbour is seen apart. Measured on one core."""

Kept = Sequence[Sequence[Tensor]]
"""What the layers of each net of a tile were given; nothing where it is computed again. Nets of
levels in which no cell changes are left out."""

T = TypeVar("T", Tensor, Tensor | None)


@dataclass(frozen=True)
class LevelPart:
    """A level, as far as it lies in a tile.

    Attributes:
        cells: Before the step, `(samples, *space, C)`.
        changing: `(k,)`, int64: which of the tile's cells change; None: all.
        noise: What is added to these, `(k, C)`, or None.
    """

    cells: Tensor
    changing: Tensor | None
    noise: Tensor | None

    @cached_property
    def rows(self) -> Tensor:
        """The cells that change, before the step, `(k, C)`."""
        return self.picked(self.cells.reshape(-1, self.cells.shape[-1]))

    @cached_property
    def count(self) -> int:
        """How many cells the tile has."""
        return self.cells.shape[:-1].numel()

    @property
    def share(self) -> float:
        """The share of the cells that change."""
        return 1.0 if self.changing is None else len(self.changing) / self.count

    @property
    def still(self) -> bool:
        """Whether no cell changes."""
        return self.changing is not None and not len(self.changing)

    def picked(self, rows: Tensor) -> Tensor:
        """Return the rows of the cells that change, of a row for each cell of the tile."""
        return rows if self.changing is None else rows.index_select(0, self.changing)

    def add(self, rows: Tensor, change: Tensor) -> None:
        """Add a row for each cell that changes to the rows of all cells, in place."""
        if self.changing is None:
            rows.add_(change)
        else:
            rows.index_add_(0, self.changing, change)

    def spread(self, rows: Tensor) -> Tensor:
        """Return a row for each cell of the tile: its own if it changes, or else zeros.

        Args:
            rows: `(k + 1, numbers)`, the last of them zeros.
        """
        return rows[:-1] if self.changing is None else rows.index_select(0, self._places)

    @cached_property
    def _places(self) -> Tensor:
        """Where each of the tile's cells is in the list; behind its end: nowhere."""
        assert self.changing is not None
        count = len(self.changing)
        places = self.changing.new_full((self.count,), count)
        places[self.changing] = torch.arange(count, device=places.device)
        return places


class TilePart:
    """The work on one tile.

    Args:
        program: The rules.
        windows: For each field of the program, the cells that the tile sees, rim included:
            `(samples, *space, C)`.
        levels: For each level of the program.
        step_size: Factor of what the rules propose.
        boundaries: What lies beyond the edge of windows without a rim; None: they have one.
        kept: What the layers of each net were given, nothing where that was not kept.
        keeps: Whether to keep what they are given; None: where few cells change.
    """

    def __init__(
        self,
        program: TiledProgram,
        windows: Sequence[Tensor],
        levels: Sequence[LevelPart],
        step_size: float,
        boundaries: tuple[Boundary, ...] | None,
        kept: Kept = (),
        *,
        keeps: bool | None = None,
    ) -> None:
        self.program, self.windows, self.levels = program, windows, levels
        self.step_size, self.boundaries = step_size, boundaries
        self.kept, self.keeps = [list(given) for given in kept], keeps
        self._seen: dict[int, Tensor] = {}
        self._mapped: dict[int, tuple[Tensor, Tensor]] = {}

    def step(self, outcomes: Sequence[Tensor]) -> None:
        """Add what changes to the levels, which are as before the step, `(n, C)` each.

        What the layers of each net were given is kept in `kept`, if few cells change. The levels
        may be those that the cells see: all changes are known before one is added.
        """
        pairs = zip(self.program.levels, self.levels, strict=True)
        changes = [None if part.still else self._change(level, part) for level, part in pairs]
        for part, outcome, change in zip(self.levels, outcomes, changes, strict=True):
            if change is not None:
                part.add(outcome, change)

    def add_gradients(
        self,
        gradients: Sequence[Tensor],
        of_windows: Sequence[Tensor | None],
        of_levels: Sequence[Tensor | None],
        sums: ProgramSums,
    ) -> None:
        """Add the gradients of all that went into the step, in place.

        Args:
            gradients: Of the levels after the step, `(n, C)` each.
            of_windows: Those of the windows, or None where none is asked for.
            of_levels: The parts of these that are the levels before the step.
            sums: Those of the weights.
        """
        of_seen: dict[int, Tensor] = {}
        pairs = zip(self.levels, gradients, strict=True)
        before = [part.picked(gradient) for part, gradient in pairs]  # they may be overwritten
        for number, (level, part) in enumerate(zip(self.program.levels, self.levels, strict=True)):
            if part.still:
                continue
            gradient = before[number]
            if self.step_size != 1:
                gradient = gradient * self.step_size
            for rate, total in zip(level.decays, sums.decays[number], strict=True):
                self._add_decay(rate, total, part, gradient, of_levels[number])
            for net, totals in zip(level.nets, sums.nets[number], strict=True):
                of_rows = self._gradient_of_rows(net, part, gradient, totals)
                self._collect(net, part, of_rows, of_windows, of_seen)
        for reading, of_rows in of_seen.items():
            self._send_home(reading, of_rows, of_windows)

    def _change(self, level: TiledLevel, part: LevelPart) -> Tensor:
        """Return what is added to the cells that change, `(k, C)`."""
        change = None
        for net in level.nets:
            given = net.layers.given(self._rows(net, part)[0])
            keeps = part.share < FEW if self.keeps is None else self.keeps
            self.kept.append(given if keeps and not net.length else [])
            count = part.count if part.changing is None else len(part.changing)
            proposed = net.layers.outcome(given)[:count].to(part.cells.dtype)
            change = proposed if change is None else change.add_(proposed)
        for rate in level.decays:
            change = part.rows * -rate if change is None else change.sub_(part.rows * rate)
        assert change is not None
        if self.step_size != 1:
            change.mul_(self.step_size)
        return change if part.noise is None else change.add_(part.noise)

    def _add_decay(
        self,
        rate: Tensor | float,
        total: Tensor | None,
        part: LevelPart,
        gradient: Tensor,
        of_level: Tensor | None,
    ) -> None:
        if total is not None:
            total.sub_((gradient * part.rows).sum())
        if of_level is not None:
            spread = part.spread(F.pad(gradient * -rate, (0, 0, 0, 1)))
            of_level.add_(spread.view(of_level.shape))

    def _gradient_of_rows(
        self, net: RowNet, part: LevelPart, gradient: Tensor, totals: Sequence[LayerSums]
    ) -> Tensor:
        """Return the gradient of what the changing cells see, `(k + 1, K * C)`; the last is 0."""
        count, gradient = len(gradient), reduced(gradient, net.products)
        if given := self.kept.pop(0):
            return net.layers.backward(gradient, given, totals)[: count + 1]
        rows, seen = self._rows(net, part)
        of_rows = net.layers.backward(gradient, net.layers.given(rows), totals)[: count + 1]
        if net.length:
            of_rows = F.pad(net.lengthened(of_rows[:-1].to(seen.dtype), seen), (0, 0, 0, 1))
        return of_rows

    def _collect(
        self,
        net: RowNet,
        part: LevelPart,
        of_rows: Tensor,
        of_windows: Sequence[Tensor | None],
        of_seen: dict[int, Tensor],
    ) -> None:
        """Add the gradient of a net's rows to those of what the cells of the tile see."""
        begin = 0
        for reading in net.readings:
            perception, window = self._perception(reading), self._field(of_windows, reading)
            end = begin + len(perception.kernels) * self._field(self.windows, reading).shape[-1]
            rows, begin = of_rows[:, begin:end], end
            if window is None:
                continue
            few = FEW_UNITS if perception.units else FEW_STENCILS
            some = part.changing is not None and (self.keeps or part.share < few)
            if part.changing is not None and some and not self._maps(reading):
                flat = window.view(-1, window.shape[-1])
                perception.add_gradient_of_some(rows[:-1].to(flat.dtype), part.changing, flat)
            else:
                spread = part.spread(rows).to(window.dtype)
                before = of_seen.get(reading)
                of_seen[reading] = spread if before is None else before.add_(spread)

    def _send_home(
        self, reading: int, of_seen: Tensor, of_windows: Sequence[Tensor | None]
    ) -> None:
        """Add the gradient of what all cells see to that of the window."""
        window, perception = self._field(of_windows, reading), self._perception(reading)
        assert window is not None
        flat = window.view(-1, window.shape[-1])
        if not self._maps(reading):
            perception.add_gradient(of_seen, flat)
            return
        self._shown(reading)  # if it was not needed on the way back
        before, after = self._mapped[reading]
        of_after = torch.zeros_like(flat)
        perception.add_gradient(of_seen, of_after)
        (of_before,) = torch.autograd.grad(after, before, of_after)
        flat.add_(of_before)

    def _rows(self, net: RowNet, part: LevelPart) -> tuple[Tensor, Tensor]:
        """Return what the changing cells see: as the first layer takes it, and as it is."""
        picked = [self._picked(reading, part) for reading in net.readings]
        seen = picked[0] if len(picked) == 1 else torch.cat(picked, dim=1)
        rows = net.shortened(seen) if net.length else seen
        rows = reduced(rows, net.products)
        shared = rows is picked[0] and part.changing is None
        return (rows.clone() if shared and net.overwrites else rows), seen

    def _picked(self, reading: int, part: LevelPart) -> Tensor:
        """Return what the changing cells see, `(k, K * C)`."""
        perception = self._perception(reading)
        few = ALL_BUT_FEW if perception.units else FEW
        if part.changing is None or part.share >= few:
            return part.picked(self._perceived(reading))
        return perception.perceive_some(self._shown(reading), part.changing)

    def _perceived(self, reading: int) -> Tensor:
        """Return what all cells of the tile see, `(n, K * C)`."""
        if reading not in self._seen:
            self._seen[reading] = self._perception(reading).perceive(self._shown(reading))
        return self._seen[reading]

    def _shown(self, reading: int) -> Tensor:
        """Return the cells of a window as they are shown, `(cells, C)`."""
        window = self._field(self.windows, reading)
        cells = window.reshape(-1, window.shape[-1])
        cell_map = self.program.readings[reading].cell_map
        if cell_map is None:
            return cells
        if reading not in self._mapped:
            with torch.enable_grad():
                before = cells.detach().requires_grad_()
                after = cell_map(before.T.unsqueeze(0)).squeeze(0).T
            self._mapped[reading] = before, after
        return self._mapped[reading][1].detach().contiguous()

    def _maps(self, reading: int) -> bool:
        return self.program.readings[reading].cell_map is not None

    def _perception(self, reading: int) -> TilePerception:
        window = self._field(self.windows, reading)
        return self.program.perception(reading, window, self.boundaries)

    def _field(self, fields: Sequence[T], reading: int) -> T:
        return fields[self.program.field_of[reading]]
