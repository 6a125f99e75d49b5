"""How a batch of grids is cut into tiles that stay in a core's cache.

A tile is some whole samples, or some rows along the first axis of one sample; a row is all cells
that share a place on that axis.
"""

import itertools
import math
from dataclasses import dataclass

from torch import Tensor

from nca.types import Size

CELLS = 4096
"""About how many cells a tile has: so many that calls cost little beside the work, and so few that
what is between two calls stays in the cache. From 2,048 to 8,192 are about as fast."""


@dataclass(frozen=True)
class Tile:
    """A part of a batch of grids.

    Attributes:
        sample: The first sample.
        samples: How many.
        top: The first row.
        rows: How many.
        cells: Which cells it has, counted on from sample to sample.
    """

    sample: int
    samples: int
    top: int
    rows: int
    cells: slice

    def __len__(self) -> int:
        """Return how many cells it has."""
        return self.cells.stop - self.cells.start

    def window(self, padded: Tensor, reach: int) -> Tensor:
        """Return the part of a padded grid that the tile's cells see, samples first, a view.

        Args:
            padded: `(B, *space + rim, C)`.
            reach: Width of the rim along the first axis.
        """
        part = padded[self.sample : self.sample + self.samples]
        return part.narrow(1, self.top, self.rows + 2 * reach)


def cut(batch: int, size: Size, cells: int = CELLS) -> list[Tile]:
    """Return the tiles of a batch, in the order of their cells.

    Args:
        batch: How many samples.
        size: Cells along each axis.
        cells: About how many cells a tile has.
    """
    height, row = size[0], math.prod(size[1:])
    area = height * row
    tiles = []
    if 2 * area <= 3 * cells:
        for sample, samples in _parts(batch, cells / area):
            place = slice(sample * area, (sample + samples) * area)
            tiles.append(Tile(sample, samples, 0, height, place))
        return tiles
    for sample in range(batch):
        for top, rows in _parts(height, cells / row):
            begin = sample * area + top * row
            tiles.append(Tile(sample, 1, top, rows, slice(begin, begin + rows * row)))
    return tiles


def _parts(count: int, each: float) -> list[tuple[int, int]]:
    """Return beginnings and lengths of parts that are about as long as asked for, at least one."""
    number = max(1, min(round(count / each), count))
    ends = [count * part // number for part in range(number + 1)]
    return [(begin, end - begin) for begin, end in itertools.pairwise(ends)]
