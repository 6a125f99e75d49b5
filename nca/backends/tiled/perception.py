"""What the cells of a tile see of a window around it, as a product with a sparse matrix.

The matrix has a row for each cell and kernel, a column for each cell of the window, and a number
for each tap of the kernel. One product with the window's cells `(cells, C)` perceives all channels
at once, and one with the transposed matrix sends gradients home, for any kernel and any number of
axes. Where few of the cells are asked about, their rows alone are taken.

Legend: n cells of the tile, k of them are asked about, K kernels, N neighbours, C channels.
"""

import itertools
import math
import warnings
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from nca.engine.rim import Rim
from nca.engine.topology import windows
from nca.types import Boundary, Size

Kernels = tuple[tuple[float, ...], ...]
"""Numbers of each kernel, in raster order of the neighbours."""


class TilePerception:
    """Kernels laid out over a window.

    Args:
        kernels: K times N numbers.
        sides: Of each kernel, every one odd.
        window: Samples of the window, then its cells along each axis, the rim included.
        dtype: Of the numbers.
        boundaries: What cells at the edge of a window see beyond it, if it has no rim, for each
            axis; not zeros.
    """

    def __init__(
        self,
        kernels: Kernels,
        sides: Size,
        window: Size,
        dtype: torch.dtype,
        boundaries: tuple[Boundary, ...] | None = None,
    ) -> None:
        self.kernels, self.sides, self.window, self.dtype = kernels, sides, window, dtype
        self.boundaries = boundaries
        self.units = torch.equal(torch.tensor(kernels), torch.eye(len(kernels[0])))

    def perceive(self, window: Tensor) -> Tensor:
        """Return what all cells see of a window `(cells, C)`: `(n, K * C)`, kernel by kernel."""
        out = window.new_empty(self._matrix.shape[0], window.shape[1])
        return self._of_cells(torch.addmm(out, self._matrix, window, beta=0, out=out))

    def perceive_some(self, window: Tensor, cells: Tensor) -> Tensor:
        """Return what some cells `(k,)` see of a window: `(k, K * C)`."""
        if self.units:
            places = self._places.index_select(0, cells).flatten()
            return self._of_cells(torch.embedding(window, places))
        columns = self._columns.index_select(0, cells).flatten()
        rows, numbers = len(cells) * len(self.kernels), self._numbers[: len(columns)]
        shape = (rows, window.shape[0])
        matrix = _sparse(self._ends[: rows + 1], columns, numbers, shape)
        out = window.new_empty(rows, window.shape[1])
        return self._of_cells(torch.addmm(out, matrix, window, beta=0, out=out))

    def add_gradient(self, seen: Tensor, window: Tensor) -> None:
        """Add the gradient of what all cells see, `(n, K * C)`, to that of the window, in place."""
        seen = seen.reshape(-1, window.shape[1])
        torch.addmm(window, self._transposed, seen, out=window)

    def add_gradient_of_some(self, seen: Tensor, cells: Tensor, window: Tensor) -> None:
        """Add the gradient of what some cells see, `(k, K * C)`, to that of the window."""
        places, channels = self._places.index_select(0, cells), window.shape[1]
        if self.units:
            window.index_add_(0, places.flatten(), seen.reshape(-1, channels))
            return
        by_kernel = seen.unflatten(1, (-1, channels)).transpose(0, 1).flatten(1)  # (K, k * C)
        by_neighbour = self._weights.T @ by_kernel  # (N, k * C)
        window.index_add_(0, places.T.flatten(), by_neighbour.view(-1, channels))

    def _of_cells(self, seen: Tensor) -> Tensor:
        return seen.view(-1, len(self.kernels) * seen.shape[1])

    @cached_property
    def _weights(self) -> Tensor:
        return torch.tensor(self.kernels, dtype=self.dtype)

    @cached_property
    def _places(self) -> Tensor:
        """Where in the window each cell's neighbours are, int64 `(n, N)`."""
        reach = tuple(side // 2 for side in self.sides)
        # numbers up to 2**53 are exact
        numbers = torch.arange(math.prod(self.window), dtype=torch.float64).view(*self.window, 1)
        if self.boundaries:
            numbers = Rim(self.boundaries, reach).pad(numbers)
        cuts = windows(numbers.movedim(-1, 1), reach)
        return torch.stack(cuts, dim=-1).flatten(0, -2).long()

    @cached_property
    def _taps(self) -> list[list[int]]:
        """Which neighbours each kernel sees."""
        return [[place for place, number in enumerate(k) if number] for k in self.kernels]

    @cached_property
    def _columns(self) -> Tensor:
        """The columns of each cell's rows, int32 `(n, taps)`."""
        return self._places[:, list(itertools.chain(*self._taps))].int()

    @cached_property
    def _ends(self) -> Tensor:
        """Where the columns of each row begin, and those of the last one end."""
        each, cells = sum(map(len, self._taps)), len(self._places)
        inside = torch.tensor([0, *itertools.accumulate(map(len, self._taps))], dtype=torch.int32)
        begins = torch.arange(cells, dtype=torch.int32).unsqueeze(1) * each + inside[:-1]
        return torch.cat([begins.flatten(), torch.tensor([cells * each], dtype=torch.int32)])

    @cached_property
    def _numbers(self) -> Tensor:
        pairs = zip(self.kernels, self._taps, strict=True)
        taps = [kernel[place] for kernel, own in pairs for place in own]
        return torch.tensor(taps, dtype=self.dtype).repeat(len(self._places))

    @cached_property
    def _matrix(self) -> Tensor:
        shape = (len(self._places) * len(self.kernels), math.prod(self.window))
        return _sparse(self._ends, self._columns.flatten(), self._numbers, shape)

    @cached_property
    def _transposed(self) -> Tensor:
        return self._matrix.t().to_sparse_csr()


def tile_perception(
    kernels: Tensor,
    window: Size,
    dtype: torch.dtype,
    boundaries: tuple[Boundary, ...] | None = None,
) -> TilePerception:
    """Return kernels laid out over a window; the same again when it is asked for again.

    Args:
        kernels: `(K, *kernel)`, every side odd; not flipped.
        window: Samples of the window, then its cells along each axis, the rim included.
        dtype: Of the numbers.
        boundaries: What lies beyond the edge of a window without a rim; see `TilePerception`.
    """
    numbers = tuple(tuple(kernel) for kernel in kernels.detach().double().flatten(1).tolist())
    return _kept(numbers, tuple(kernels.shape[1:]), tuple(window), dtype, boundaries)


def unit_kernels(sides: Size) -> Tensor:
    """Return one kernel for each neighbour, which sees that neighbour alone: `(N, *sides)`."""
    return torch.eye(math.prod(sides), dtype=torch.float64).view(-1, *sides)


_kept = lru_cache(maxsize=32)(TilePerception)


def _sparse(ends: Tensor, columns: Tensor, numbers: Tensor, shape: Size) -> Tensor:
    with warnings.catch_warnings():  # torch says once that such matrices are young
        warnings.filterwarnings("ignore", "Sparse ")
        return torch.sparse_csr_tensor(ends, columns, numbers, shape, check_invariants=False)
