"""Pictures of a pattern on a plane: all of one box, in which everything lies that was seen.

Legend: B batch, C channel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from nca.engine.plane import used_along
from nca.engine.state import State
from nca.types import Size

BESIDE = 2
"""Empty cells around what was seen."""


@dataclass
class PlaneStates:
    """States of a plane, each as the box of the cells that hold anything but 0.

    Attributes:
        first: The first cell of the box of all, on the grid of the beginning.
        last: The cell after its last one.
    """

    first: Size = ()
    last: Size = ()
    _kept: list[tuple[State, Size]] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        """Return how many states are kept."""
        return len(self._kept)

    @property
    def bytes_kept(self) -> int:
        """How much memory they take."""
        return sum(level.nbytes for state, _ in self._kept for level in state.values())

    def halve(self) -> None:
        """Keep the first of every two states."""
        self._kept = self._kept[::2]

    def keep(self, state: State, origin: Size) -> None:
        """Keep what is not empty of a state.

        Args:
            state: `(B, C, *space)` on each level.
            origin: The place of its first cell on the grid of the beginning.
        """
        used = [used_along(state, axis).nonzero().flatten().tolist() for axis in range(state.axes)]
        inside = tuple(slice(u[0], u[-1] + 1) if u else slice(0, 0) for u in used)
        corner = tuple(at + cut.start for at, cut in zip(origin, inside, strict=True))
        end = tuple(at + cut.stop for at, cut in zip(origin, inside, strict=True))
        if all(used):
            self.first = tuple(map(min, self.first or corner, corner))
            self.last = tuple(map(max, self.last or end, end))
        kept = state.map(lambda level: _packed(level[(slice(None), slice(None), *inside)]))
        self._kept.append((kept, corner))

    def widen(self, hexagonal: bool) -> None:
        """Leave some empty cells around all; beside hexagons as many as rows are moved."""
        if not self.first:  # nothing was ever there
            self.first = self.last = (0,) * self._kept[0][0].axes
        self.first = tuple(at - BESIDE for at in self.first)
        self.last = tuple(at + BESIDE for at in self.last)
        if hexagonal:
            moved = (self.last[0] - self.first[0]) // 2
            self.first = (self.first[0], self.first[1] - moved)

    def states(self) -> Iterator[State]:
        """Yield the states, all of the size of the box."""
        for state, corner in self._kept:
            yield state.map(lambda level, at=corner: self._in_box(level, at))

    def _in_box(self, level: torch.Tensor, corner: Size) -> torch.Tensor:
        pads = []
        for axis in reversed(range(len(corner))):
            side = level.shape[axis + 2]
            before = corner[axis] - self.first[axis] if side else 0
            pads += [before, self.last[axis] - self.first[axis] - side - before]
        return F.pad(level if level.is_floating_point() else level.float(), pads)


def _packed(level: torch.Tensor) -> torch.Tensor:
    """Return a copy, as bytes where it holds nothing but small whole numbers."""
    small = level.to(torch.uint8) if level.dtype == torch.float32 else None
    return small if small is not None and torch.equal(small.float(), level) else level.clone()
