"""First states and pictures of a grid on disk, both made piece by piece."""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nca.engine.resample import on_grid, size_at
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.window import Window
from nca.errors import ShapeError
from nca.streaming.grid_file import GridFile
from nca.tasks.task import Task

BATCH = 64
FILL_TILE = 1 << 11


def tile_first_states(grid: GridFile, task: Task) -> None:
    """Tile a grid of two axes with first states of a task's test data, each in its own size.

    They come in the task's order, and again from the first where they run out. At the lower and
    right edge the last ones are cut off.

    Args:
        grid: An empty grid.
        task: One that has been prepared.

    Raises:
        ShapeError: The grid has other than two axes.
        DataError: The test data hold no sample.
    """
    height, width = _height_and_width(grid)
    states = _repeated(task)
    top = 0
    while top < height:
        row: list[State] = []
        while sum(state.grid_size[1] for state in row) < width:
            row.append(next(states))
        room = height - top
        levels = {}
        for name, level in grid.layout.items():
            high, wide = size_at((room, width), level.scale)
            levels[name] = torch.cat([s[name] for s in row], dim=-1)[:, :, :high, :wide]
        grid.write((top, 0), levels)
        top += row[0].grid_size[0]


def fill_random(grid: GridFile, share: float) -> None:
    """Set each number of each level to 1 with a chance, else to 0; the random seed says where.

    Args:
        grid: A grid.
        share: The chance.
    """
    samples = torch.zeros(1, dtype=torch.int64)
    for start, size in grid.tiles(FILL_TILE):
        source = CellRNG(grid.random_seed, 0, samples, window=Window(start, grid.size))
        levels = {}
        for name, level in grid.layout.items():
            drawn, cells = source.at_scale(level.scale), size_at(size, level.scale)
            levels[name] = drawn.chance(f"sown/{name}", share, level.channels, cells).float()
        grid.write(start, levels)


@torch.no_grad()
def draw(
    grid: GridFile,
    draw: Callable[[State], Tensor],
    side: int,
    device: torch.device = torch.device("cpu"),  # noqa: B008
) -> Image.Image:
    """Return a grid of two axes as a picture, each pixel the mean over a square of cells.

    Args:
        grid: The grid.
        draw: Makes `(1, 3, height, width)`, from 0 to 1, of a state, each cell by itself, in the
            cells of one of the levels.
        side: At most so many pixels along each side.
        device: Where `draw` computes.

    Raises:
        ShapeError: The grid has other than two axes.
    """
    height, width = _height_and_width(grid)
    square = math.ceil(max(height, width) / side)
    canvas = torch.empty(3, math.ceil(height / square), math.ceil(width / square))
    unit = math.lcm(square, grid.layout.coarsest)
    for start, size in grid.tiles(unit * max(1, 1024 // unit)):
        state = grid.read(start, size)
        state = state if grid.dtype == torch.float64 else state.to(torch.float32)
        drawn = draw(state.to(device)).cpu()
        drawn = on_grid(drawn, size[0] // drawn.shape[2])
        pixels = F.avg_pool2d(drawn, square, ceil_mode=True, count_include_pad=False)[0]
        top, left = (s // square for s in start)
        canvas[:, top : top + pixels.shape[1], left : left + pixels.shape[2]] = pixels
    bytes_ = (canvas.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    return Image.fromarray(bytes_)


def plain_colours(state: State) -> Tensor:
    """Return the first channel of the top level in grey: what is drawn where there is no task."""
    top = state[list(state)[-1]][:, :1]
    return top.expand(-1, 3, *top.shape[2:])


def _height_and_width(grid: GridFile) -> tuple[int, int]:
    if len(grid.size) != 2:
        raise ShapeError(
            f"a grid of {len(grid.size)} axes cannot be tiled or drawn.",
            where=f"{grid.size}",
            to_do="use a grid of two axes",
        )
    height, width = grid.size
    return height, width


def _repeated(task: Task) -> Iterator[State]:
    while True:
        given = 0
        for batch in task.evaluation_batches("test", BATCH):
            for number in range(batch.state.batch):
                yield batch.state.select(slice(number, number + 1))
            given += batch.state.batch
        if not given:
            raise task.no_samples("test")
