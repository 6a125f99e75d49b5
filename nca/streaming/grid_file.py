"""A grid on disk: the state of one sample in files, read and written block by block.

Places and sizes are counted in cells of scale 1.
"""

import itertools
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nca.engine.layout import Layout
from nca.engine.resample import size_at
from nca.engine.state import State
from nca.engine.window import Window
from nca.errors import NCAError, StorageError
from nca.types import Size

STORED = {
    torch.float64: "f8",
    torch.float32: "f4",
    torch.float16: "f2",
    torch.bfloat16: "i2",
    torch.uint8: "u1",
}
"""As what numbers are kept on disk; numpy knows no bfloat16, so that its bits are taken."""


@dataclass(frozen=True)
class GridFile:
    """The state of one sample, kept in files.

    Attributes:
        folder: Where they lie: two for each level, one to read and one to write, by turns.
        layout: The levels.
        size: Cells along each axis; the level of another scale has fewer (`Layout.sizes`).
        dtype: As what numbers are kept: float64, float32, float16 or bfloat16, or uint8, which
            keeps whole numbers from 0 to 255 alone.
        random_seed: The number from which all of its randomness follows.
        step: How many steps it has taken.
        turn: Which of the two files of a level holds it now: 0 or 1.
        sample: The number of the sample, from which its randomness follows, too.
    """

    folder: Path
    layout: Layout
    size: Size
    dtype: torch.dtype = torch.float32
    random_seed: int = 0
    step: int = 0
    turn: int = 0
    sample: int = 0

    @classmethod
    def create(
        cls, folder: Path, layout: Layout, size: Size, *, dtype: torch.dtype, random_seed: int = 0
    ) -> "GridFile":
        """Make an empty grid.

        Args:
            folder: Must exist.
            layout: The levels.
            size: Cells along each axis.
            dtype: As what numbers are kept.
            random_seed: The number from which all of its randomness follows.

        Raises:
            StorageError: There is too little room, or the files cannot be made.
        """
        grid = cls(folder, layout, size, dtype, random_seed)
        grid.allocate()
        return grid

    def allocate(self) -> None:
        """Make the files, full of zeros.

        Raises:
            StorageError: There is too little room, or the files cannot be made.
        """
        folder, paths = self.folder, self._lengths()
        try:
            free, wanted = shutil.disk_usage(folder).free, sum(paths.values())
            if free < wanted:
                raise StorageError(
                    f"the grid takes {wanted / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free.",
                    where=str(folder),
                    to_do="choose a disk with room, a smaller grid, or fewer bits: bfloat16; whole "
                    "numbers fit uint8",
                )
            for path, length in paths.items():
                with path.open("wb") as file:
                    file.truncate(length)
        except OSError as fault:
            raise StorageError(
                f"the grid's files cannot be made: {fault.strerror}.",
                where=str(folder),
                to_do="choose a folder that you may write to",
            ) from fault

    def check_files(self) -> None:
        """Refuse a grid whose files are not all there, as long as they should be.

        Raises:
            StorageError: They are not.
        """
        for path, length in self._lengths().items():
            there = path.stat().st_size if path.is_file() else None
            if there != length:
                raise StorageError(
                    f"a file of the grid {'is missing' if there is None else 'is damaged'}.",
                    where=str(path),
                    to_do="remove the folder, and begin anew",
                )

    def read(self, start: Size, size: Size, dtype: torch.dtype | None = None) -> State:
        """Return a block of cells, with their place in the whole.

        Args:
            start: Its first cell; it may begin before the first and end after the last cell of
                the grid: there the grid begins anew. It is the first cell of a coarser one, too.
            size: Cells of the block along each axis.
            dtype: What numbers become; as they are kept if None.
        """
        window, levels = Window(start, self.size), {}
        for name, level in self.layout.items():
            stored, part = self._open(name, self.turn), window.at_scale(level.scale)
            sides = size_at(size, level.scale)
            block = np.empty((level.channels, *sides), stored.dtype)
            for here, there in _pieces(part.start, sides, part.whole):
                block[:, *here] = stored[:, *there]
            levels[name] = self._tensor(block).to(dtype or self.dtype).unsqueeze(0)
        samples = torch.tensor([self.sample])
        return State(levels, self.random_seed, self.step, samples, window=window)

    def write(self, start: Size, levels: Mapping[str, Tensor], *, ahead: bool = False) -> None:
        """Put a block of cells, each level `(1, C, *block)`, in its place within the grid.

        Args:
            start: Its first cell.
            levels: Some of the levels.
            ahead: Whether it belongs to the state that is being made, not to that of now.

        Raises:
            NCAError: Bytes are kept, and a number is no whole one from 0 to 255.
        """
        for name, level in levels.items():
            stored = self._open(name, 1 - self.turn if ahead else self.turn)
            given = level[0].detach().cpu()
            block = given.to(self.dtype).contiguous()
            if self.dtype == torch.uint8:
                _demand_kept(name, given, block, self.folder)
            block = block.view(torch.int16) if self.dtype == torch.bfloat16 else block
            first = Window(start, self.size).at_scale(self.layout[name].scale).start
            place = tuple(slice(s, s + n) for s, n in zip(first, block.shape[1:], strict=True))
            stored[:, *place] = block.numpy()

    def tiles(self, tile: int) -> Iterator[tuple[Size, Size]]:
        """Yield first cell and size of each tile of at most `tile` cells a side.

        It is at least one of the coarsest cells, and whole ones.
        """
        coarsest = self.layout.coarsest
        tile = max(tile // coarsest, 1) * coarsest
        lines = [range(0, side, tile) for side in self.size]
        for start in itertools.product(*lines):
            yield start, tuple(min(tile, n - s) for s, n in zip(start, self.size, strict=True))

    def flush(self) -> None:
        """Let the state of now reach the disk.

        Raises:
            StorageError: It cannot.
        """
        try:
            for name in self.layout:
                paths = self._paths(name)
                with paths[self.turn % len(paths)].open("rb+") as file:
                    os.fsync(file.fileno())
        except OSError as fault:
            raise StorageError(
                f"the grid cannot be written: {fault.strerror}.",
                where=str(self.folder),
                to_do="free some space on that disk, or choose another folder",
            ) from fault

    def _lengths(self) -> dict[Path, int]:
        return {path: self._bytes(name) for name in self.layout for path in self._paths(name)}

    def _paths(self, name: str) -> list[Path]:
        turns = 1 if self.layout[name].input else 2
        return [self.folder / f"{name}.{turn}.raw" for turn in range(turns)]

    def _bytes(self, name: str) -> int:
        cells = math.prod(self.layout.sizes(self.size)[name])
        return self.layout[name].channels * cells * self.dtype.itemsize

    def _open(self, name: str, turn: int) -> np.memmap:
        """Return a level's file as an array; it is opened anew so that no page of it stays."""
        paths = self._paths(name)
        shape = (self.layout[name].channels, *self.layout.sizes(self.size)[name])
        return np.memmap(paths[turn % len(paths)], STORED[self.dtype], "r+", shape=shape)

    def _tensor(self, block: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(block)
        return tensor.view(torch.bfloat16) if self.dtype == torch.bfloat16 else tensor


def _demand_kept(name: str, given: Tensor, block: Tensor, folder: Path) -> None:
    """Refuse numbers that a byte has not kept."""
    if (lost := block.to(given.dtype) != given).any():
        number = f"{given[lost][0].item():g}"
        raise NCAError(
            f'level "{name}" holds {number}, and a byte keeps whole numbers from 0 to 255.',
            where=str(folder),
            to_do="keep it as float32: --store float32",
        )


def _pieces(
    start: Size, size: Size, whole: Size
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield pieces of a block, and where in the grid each lies, which begins anew at its end."""
    axes = []
    for first, count, side in zip(start, size, whole, strict=True):
        runs, place = [], 0
        while place < count:
            there = (first + place) % side
            length = min(count - place, side - there)
            runs.append((slice(place, place + length), slice(there, there + length)))
            place += length
        axes.append(runs)
    for piece in itertools.product(*axes):
        yield tuple(here for here, _ in piece), tuple(there for _, there in piece)
