"""Whether the states of an automaton come back, in their place or in another one.

Legend: C channel; `*space` the axes of the grid.
"""

from collections import deque
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor

from nca.types import Size

KEPT = 64
"""So many states are kept to compare with: the longest period of a pattern that moves."""


@dataclass(frozen=True)
class Cycle:
    """States that come back for ever.

    Attributes:
        first: The first step of the cycle.
        period: Its length, in steps.
    """

    first: int
    period: int


@dataclass(frozen=True)
class Motion:
    """A pattern that comes back in another place.

    Attributes:
        first: The step at which it was first seen to.
        period: After how many steps.
        displacement: Cells along each axis, the shorter way round the torus.
    """

    first: int
    period: int
    displacement: tuple[int, ...]

    @property
    def speed(self) -> float:
        """Cells a step along the axis on which it is faster; 1 is the speed of light."""
        return max(map(abs, self.displacement)) / self.period


def population(level: Tensor, beyond: float = 0.0) -> int:
    """Return how many cells of `(C, *space)` hold a number farther from 0 than another one."""
    return int((level.abs() > beyond).any(dim=0).sum())


class OrbitWatch:
    """Finds out whether the states that it is shown, step by step, come back.

    Args:
        wraps: Whether the grid is a torus, on which a pattern may move.

    Attributes:
        cycle: Found as soon as a state is one that was there before, in its place.
        motion: Found as soon as a state is one of the last 64 in another place.
    """

    def __init__(self, *, wraps: bool = True) -> None:
        self.wraps = wraps
        self.cycle: Cycle | None = None
        self.motion: Motion | None = None
        self._steps: dict[bytes, int] = {}
        self._last: deque[tuple[int, bytes, Tensor]] = deque(maxlen=KEPT)

    def show(self, step: int, level: Tensor) -> None:
        """Look at a state.

        Args:
            step: Its step; one more than the last one's.
            level: `(C, *space)`.
        """
        if self.cycle:
            return
        cells = _compact(level)
        first = self._steps.setdefault(_digest(cells), step)
        if first != step:
            self.cycle = Cycle(first, step - first)
            return
        if self.wraps and not self.motion and cells.any():
            self._look_for_motion(step, cells)

    def _look_for_motion(self, step: int, cells: Tensor) -> None:
        alike = _digest(*(line.sort().values for line in _profiles(cells)))
        for before, other, old in reversed(self._last):
            if other == alike and (by := shift_between(old, cells)) is not None:
                self.motion = Motion(before, step - before, by)
                break
        self._last.append((step, alike, cells))


class PlaneOrbitWatch:
    """Finds out whether the states of a pattern on a plane come back, in their place or elsewhere.

    Attributes:
        cycle: Found as soon as a state is one that was there before, in its place.
        motion: Found as soon as a state is one that was there before, in another place.
    """

    def __init__(self) -> None:
        self.cycle: Cycle | None = None
        self.motion: Motion | None = None
        self._seen: dict[bytes, tuple[int, Size]] = {}

    def show(self, step: int, level: Tensor, origin: Size) -> None:
        """Look at a state.

        Args:
            step: Its step; one more than the last one's.
            level: `(C, *space)`.
            origin: The place of its first cell on the plane.
        """
        if self.cycle or self.motion:
            return
        places = level.ne(0).any(dim=0).nonzero()
        if not len(places):
            corner, cells = (0,) * len(origin), level[:0]
        else:
            first, last = places.min(dim=0).values.tolist(), places.max(dim=0).values.tolist()
            inside = [slice(a, b + 1) for a, b in zip(first, last, strict=True)]
            corner = tuple(a + b for a, b in zip(first, origin, strict=True))
            cells = level[(slice(None), *inside)]
        kind = _compact(cells)
        shape = torch.tensor(kind.shape if len(places) else [0])
        before, where = self._seen.setdefault(_digest(shape, kind), (step, corner))
        if before != step:
            by = tuple(a - b for a, b in zip(corner, where, strict=True))
            if any(by):
                self.motion = Motion(before, step - before, by)
            else:
                self.cycle = Cycle(before, step - before)


def shift_between(old: Tensor, new: Tensor) -> Size | None:
    """Return by how many cells along each axis one state lies beside another; None: they differ.

    Args:
        old: `(C, *space)`, on a torus.
        new: As large.
    """
    shift = []
    for before, after in zip(_profiles(old), _profiles(new), strict=True):
        spectra = torch.fft.rfft(after.double()) * torch.fft.rfft(before.double()).conj()
        best = int(torch.fft.irfft(spectra, n=len(after)).argmax())
        shift.append(best if 2 * best <= len(after) else best - len(after))
    axes = tuple(range(1, old.ndim))
    return tuple(shift) if old.roll(shift, axes).equal(new) else None


def _profiles(cells: Tensor) -> list[Tensor]:
    """Return the sums over all that is not one axis, for each axis."""
    numbers = cells.double() if cells.is_floating_point() else cells.long()
    axes = range(1, cells.ndim)
    return [numbers.sum(dim=[0, *(other for other in axes if other != axis)]) for axis in axes]


def _compact(level: Tensor) -> Tensor:
    """Return whole numbers below 256 as bytes, and others as they are, on the CPU."""
    level = level.detach().cpu()
    cells = level.to(torch.uint8)
    return cells if cells.to(level.dtype).equal(level) else level + 0  # of which -0 is 0


def _digest(*tensors: Tensor) -> bytes:
    found = blake2b(digest_size=16)
    for tensor in tensors:
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.digest()
