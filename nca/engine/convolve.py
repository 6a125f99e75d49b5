"""Correlation with a wide kernel, directly or by Fourier transforms, whichever is faster here.

The direct way costs as many products as the kernel has cells; the other way costs the same for
every kernel, and has the same outcome within rounding. By how many products each takes, one of
them is chosen at once where it is ahead by far; where they are close, the clock decides: both are
timed once in a process, for each kernel size and class of grid sizes, and the faster one is taken
from then on. The clock is lent from outside (`lend_clock`); without one the count decides alone.

On a torus that is wholly at hand the transform wraps by itself, also where the kernel is larger
than the grid. Elsewhere the cells beyond the edge are added first, and what fits is kept.

Legend: B batch, C channel; `*space` the axes of the grid, `*kernel` those of the kernel.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from nca.engine.rim import transformed
from nca.engine.topology import Topology, correlate_valid
from nca.errors import ShapeError
from nca.types import Size

Way: TypeAlias = Literal["direct", "fourier"]
"""How a correlation is computed."""

Pad: TypeAlias = Callable[[Tensor, Size], Tensor]
"""Adds so many cells to both ends of each axis."""

# Products that a direct correlation makes while a transform handles one number once, for each
# halving of the grid. Measured on one thread of a CPU, float32, one channel, 256 x 256 cells: 3.4e9
# products a second against 6.6e9 such numbers. In float64 torch's direct way is ten times as slow.
_PRODUCTS = 0.5

CLOSE = (1 / 8, 32.0)
"""Between which quotients of counted costs, direct by Fourier, the clock decides."""

_clocks: list[Callable[[], float]] = []
_faster: dict[tuple[Any, ...], Way] = {}
_spectra: WeakIdKeyDictionary = WeakIdKeyDictionary()


def lend_clock(clock: Callable[[], float]) -> None:
    """Let a clock decide from now on where the count is close.

    Args:
        clock: Returns seconds that have passed since some moment.
    """
    _clocks[:] = [clock]


def convolve(
    topology: Topology, pad: Pad, tensor: Tensor, kernel: Tensor, *, groups: int = 1
) -> Tensor:
    """Correlate `(B, C, *space)` with an odd-sided kernel; see `Topology.correlate`.

    Args:
        topology: What lies beyond the edge of the grid.
        pad: Adds those cells.
        tensor: `(B, C, *space)`.
        kernel: `(C out, C / groups, *kernel)`, every side odd; not flipped.
        groups: Into how many separate groups the channels fall.

    Raises:
        ShapeError: A kernel that does not fit.
    """
    _check(tensor, kernel, groups)
    task = _Correlation(topology, pad, tensor, kernel, groups)
    return task.direct() if _way(task) == "direct" else task.fourier()


@dataclass(frozen=True)
class _Correlation:
    """One correlation, to be computed in either way."""

    topology: Topology
    pad: Pad
    tensor: Tensor
    kernel: Tensor
    groups: int

    @property
    def size(self) -> Size:
        """Cells of the grid."""
        return tuple(self.tensor.shape[2:])

    @property
    def radii(self) -> Size:
        """How far the kernel reaches."""
        return tuple(side // 2 for side in self.kernel.shape[2:])

    @property
    def wraps(self) -> bool:
        """Whether a transform of the grid as it is wraps as its topology does."""
        return self.topology.local and set(self.topology.of(len(self.size))) == {"torus"}

    @property
    def extent(self) -> Size:
        """Cells of the grid that a transform is given."""
        if self.wraps:
            return self.size
        return tuple(side + 2 * r for side, r in zip(self.size, self.radii, strict=True))

    def direct(self) -> Tensor:
        """Return it cell by cell."""
        padded = self.pad(self.tensor, self.radii)
        return correlate_valid(padded, self.kernel, groups=self.groups)

    def fourier(self) -> Tensor:
        """Return it by transforms."""
        if self.wraps:
            return _fourier(self.tensor, self.kernel, self.radii, self.groups)
        padded = self.pad(self.tensor, self.radii)
        found = _fourier(padded, self.kernel, (0,) * len(self.size), self.groups)
        for axis, side in enumerate(self.size, start=2):
            found = found.narrow(axis, 0, side)
        return found

    def quotient(self) -> float:
        """Return the cost of the direct way by that of the other one, as far as counting goes."""
        batch, channels = self.tensor.shape[:2]
        outcomes, inputs = self.kernel.shape[:2]
        cells = math.prod(self.extent)
        pairs = outcomes * inputs
        transforms = batch * (channels + outcomes) + (pairs if self.kernel.requires_grad else 0)
        around = _PRODUCTS * transforms * cells * max(math.log2(cells), 1.0)
        products = batch * pairs * math.prod(self.size) * math.prod(self.kernel.shape[2:])
        return products / (around + 4 * batch * pairs * cells)

    def kind(self) -> tuple[Any, ...]:
        """Return what tells apart correlations of which another way may be faster."""
        tensor, kernel = self.tensor, self.kernel
        cells = tensor.shape[0] * math.prod(self.extent)
        shape = (tuple(kernel.shape), tensor.shape[1], kernel.requires_grad)
        place = (tensor.device, torch.get_num_threads())
        return (*place, tensor.dtype, self.groups, shape, cells.bit_length())


def _way(task: _Correlation) -> Way:
    tensor = task.tensor
    if tensor.dtype not in (torch.float32, torch.float64) or torch.compiler.is_exporting():
        return "direct"
    if task.kernel.dtype != tensor.dtype or torch.is_autocast_enabled(tensor.device.type):
        return "direct"
    quotient = task.quotient()
    by_count: Way = "direct" if quotient < 1 else "fourier"
    if not CLOSE[0] < quotient < CLOSE[1] or not _clocks or _not_to_be_timed(tensor):
        return by_count
    kind = task.kind()
    if kind not in _faster:
        _faster[kind] = _timed(task, _clocks[0])
    return _faster[kind]


def _not_to_be_timed(tensor: Tensor) -> bool:
    if torch.compiler.is_compiling() or transformed():
        return True
    return tensor.is_cuda and torch.cuda.is_current_stream_capturing()


def _timed(task: _Correlation, clock: Callable[[], float]) -> Way:
    """Return the faster way, by the best of three times after a first one."""
    # what other processes hold is not asked for again
    topology = task.topology if task.topology.local else Topology("zeros")
    tensor, kernel = task.tensor.detach(), task.kernel.detach()
    alone = _Correlation(topology, topology.pad, tensor, kernel, task.groups)

    def seconds(way: Callable[[], Tensor]) -> float:
        taken = []
        for _ in range(4):
            begun = clock()
            way()
            if tensor.is_cuda:
                torch.cuda.synchronize(tensor.device)
            taken.append(clock() - begun)
        return min(taken[1:])

    with torch.no_grad():
        return "direct" if seconds(alone.direct) < seconds(alone.fourier) else "fourier"


def _fourier(tensor: Tensor, kernel: Tensor, before: Size, groups: int) -> Tensor:
    """Correlate on a torus: the kernel's first cell lies so many cells before each cell.

    Args:
        tensor: `(B, C, *space)`.
        kernel: `(C out, C / groups, *kernel)`; it may be larger than the grid.
        before: Cells along each axis.
        groups: Into how many separate groups the channels fall.
    """
    size = tensor.shape[2:]
    axes = tuple(range(2, tensor.ndim))
    seen = torch.fft.rfftn(tensor, dim=axes).unflatten(1, (groups, -1))  # (B, G, I, *waves)
    waves = _spectrum(kernel, size, before).unflatten(0, (groups, -1))  # (G, O, I, *waves)
    # channel by channel: all products at once would take the memory of all pairs
    found = seen[:, :, None, 0] * waves[:, :, 0]
    for channel in range(1, waves.shape[2]):
        found = torch.addcmul(found, seen[:, :, None, channel], waves[:, :, channel])
    return torch.fft.irfftn(found.flatten(1, 2), s=size, dim=axes)


def _spectrum(kernel: Tensor, size: Sequence[int], before: Size) -> Tensor:
    """Return the conjugated transform of a kernel that is laid on a torus.

    That of a fixed kernel is kept as long as the kernel itself is, and as it is.
    """
    keep = not (kernel.requires_grad or kernel.is_inference() or torch.compiler.is_compiling())
    if not keep or transformed():
        return _transform(kernel, size, before)
    if kernel not in _spectra:
        _spectra[kernel] = {}
    known: dict[Any, tuple[int, Tensor]] = _spectra[kernel]
    key = (tuple(size), before)
    if key not in known or known[key][0] != kernel._version:
        with torch.inference_mode(False):
            known[key] = (kernel._version, _transform(kernel, size, before))
    return known[key][1]


def _transform(kernel: Tensor, size: Sequence[int], before: Size) -> Tensor:
    axes = tuple(range(2, kernel.ndim))
    for axis, side, behind in zip(axes, size, before, strict=True):
        first = -behind % side
        laps = -(-(first + kernel.shape[axis]) // side)
        rest = laps * side - first - kernel.shape[axis]
        around = [0, 0] * (kernel.ndim - 1 - axis) + [first, rest]
        kernel = F.pad(kernel, around).unflatten(axis, (laps, side)).sum(dim=axis)
    return torch.fft.rfftn(kernel, dim=axes).conj().resolve_conj()


def _check(tensor: Tensor, kernel: Tensor, groups: int) -> None:
    axes = tensor.ndim - 2
    fits = kernel.ndim == tensor.ndim and all(side % 2 for side in kernel.shape[2:])
    if fits and kernel.shape[1] * groups == tensor.shape[1] and kernel.shape[0] % groups == 0:
        return
    raise ShapeError(
        f"a kernel {tuple(kernel.shape)} in {groups} {'group' if groups == 1 else 'groups'} does "
        f"not fit a tensor {tuple(tensor.shape)}.",
        where="view.convolve(tensor, kernel, groups)",
        to_do=f"give a kernel (channels out, {tensor.shape[1]} / groups, *kernel) with {axes} odd "
        "sides, whose channels out are a multiple of groups",
    )
