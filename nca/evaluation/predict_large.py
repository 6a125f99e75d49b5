"""Predict pictures whose cells do not fit into memory: they lie on disk, and step tile by tile.

The outcome is that of the whole picture as one grid. The picture and what is said of it are in
memory, and one tile of cells.

Legend: H height, W width, in pixels.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.errors import PictureError, StorageError
from nca.streaming.grid_file import GridFile
from nca.streaming.stream import stream
from nca.tasks.batch import Batch
from nca.tasks.prediction import Prediction, Value
from nca.types import Size

TILE = 512
"""Cells along each side of a tile."""


@dataclass(frozen=True)
class LargePicture:
    """A picture that is predicted tile by tile.

    Attributes:
        name: What it is called.
        pixels: `(4, H, W)`: red, green, blue and how much each pixel covers, from 0 to 1.
        sample: The number from which its randomness follows.
    """

    name: str
    pixels: Tensor
    sample: int


@torch.no_grad()
def predict_large(
    trained: Trained, seen: LargePicture, *, steps: int, repeats: int, fire_rate: float | None
) -> Prediction:
    """Return what is said of a large picture; numbers are means over its cells.

    Args:
        trained: Whose task says it; it takes pictures of any size.
        seen: The picture.
        steps: How many steps it takes.
        repeats: How many rollouts, each with fire masks and noise of its own.
        fire_rate: Use this chance instead of the automaton's own.

    Raises:
        PictureError: The disk has no room for its cells.
    """
    tiles = _Tiles(trained, seen)
    with ExitStack() as held:
        grids = []
        for repeat in range(repeats):
            try:
                place = held.enter_context(tempfile.TemporaryDirectory(prefix="nca-predict-"))
                grid = tiles.filled(Path(place), repeat)
            except (OSError, StorageError) as fault:
                what = getattr(fault, "what", str(fault))
                raise PictureError(
                    f"its cells fit neither memory nor disk: {what}",
                    where=seen.name,
                    to_do="shrink it: --side 1024",
                ) from fault
            grids.append(stream(trained.automaton, grid, steps, tile=TILE, fire_rate=fire_rate))
        return tiles.said(grids)


class _Tiles:
    """The tiles of one picture."""

    def __init__(self, trained: Trained, seen: LargePicture) -> None:
        self.trained, self.task, self.seen = trained, trained.task, seen
        pairs = zip(trained.task.canvas, trained.recipe.tables.grid.size, strict=True)
        self.patch = tuple(pixels // cells for pixels, cells in pairs)
        sides = zip(seen.pixels.shape[1:], self.patch, strict=True)
        self.size = tuple(-(-pixels // patch) for pixels, patch in sides)

    def batch(self, start: Size, size: Size) -> Batch:
        """Return the first state of a tile."""
        rows, columns = (
            slice(s * patch, (s + n) * patch)
            for s, n, patch in zip(start, size, self.patch, strict=True)
        )
        pixels = self.seen.pixels[:, rows, columns]
        return self.task.input_batch(pixels.unsqueeze(0).to(self.trained.device))

    def filled(self, folder: Path, repeat: int) -> GridFile:
        """Return a grid that sees the picture."""
        layout, seed = self.trained.automaton.layout, self.task.context.random_seed + repeat
        grid = GridFile(folder, layout, self.size, random_seed=seed, sample=self.seen.sample)
        grid.allocate()
        for start, size in grid.tiles(TILE):
            grid.write(start, self.batch(start, size).state.levels)
        return grid

    def said(self, grids: Sequence[GridFile]) -> Prediction:
        """Return what the task says of all tiles together."""
        device, automaton = self.trained.device, self.trained.automaton
        rows: list[tuple[int, Mapping[str, Value | Mapping[str, Value]]]] = []
        pictures: dict[str, Tensor] = {}
        height, width = self.seen.pixels.shape[1:]
        for start, size in grids[0].tiles(TILE):
            states = [automaton.finish(grid.read(start, size).to(device)) for grid in grids]
            found = self.task.predict(states, self.batch(start, size))[0]
            rows.append((size[0] * size[1], found.values))
            top, left = (s * patch for s, patch in zip(start, self.patch, strict=True))
            for name, part in found.pictures.items():
                whole = pictures.setdefault(name, part.new_empty(len(part), height, width).cpu())
                place = whole[:, top : top + part.shape[1], left : left + part.shape[2]]
                place.copy_(part[:, : place.shape[1], : place.shape[2]])
        values = _mean(rows)
        spread = values.get("spread")
        return Prediction(values, pictures, spread if isinstance(spread, float) else None)


def _mean(
    rows: Sequence[tuple[int, Mapping[str, Value | Mapping[str, Value]]]],
) -> dict[str, Value | Mapping[str, Value]]:
    """Return the mean of each value over rows that weigh as said; of words the first."""
    total, found = sum(weight for weight, _ in rows), {}
    for name, first in rows[0][1].items():
        column = [(weight, values[name]) for weight, values in rows]
        if isinstance(first, Mapping):
            found[name] = _mean([(w, each) for w, each in column if isinstance(each, Mapping)])
        elif isinstance(first, str):
            found[name] = first
        else:
            numbers = [w * each for w, each in column if isinstance(each, int | float)]
            found[name] = sum(numbers) / total
    return found
