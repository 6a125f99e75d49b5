"""First states and pictures of a grid on disk, both made piece by piece."""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.window import Window
from nca.errors import ShapeError
from nca.streaming.grid_file import GridFile
from nca.tasks.task import Task

AT_ONCE = 64
SOWN = 1 << 11


def tile_first_states(vast: GridFile, task: Task) -> None:
    """Pave a grid of two axes with first states of a task's test data, each in its own size.

    They come in the task's order, and again from the first where they run out. At the lower and
    right edge the last ones are cut off.

    Args:
        vast: An empty grid.
        task: One that has been prepared.

    Raises:
        ShapeError: The grid has other than two axes.
        DataError: The test data hold no sample.
    """
    height, width = _two(vast)
    states = _again_and_again(task)
    top = 0
    while top < height:
        row: list[State] = []
        while sum(state.size(next(iter(state)))[1] for state in row) < width:
            row.append(next(states))
        room = height - top
        levels = {n: torch.cat([s[n] for s in row], dim=-1)[:, :, :room, :width] for n in row[0]}
        vast.write((top, 0), levels)
        top += next(iter(levels.values())).shape[2]


def fill_random(vast: GridFile, share: float) -> None:
    """Let each number of each level be 1 with a chance, and 0 else; the random seed says where.

    Args:
        vast: A grid.
        share: The chance.
    """
    samples = torch.zeros(1, dtype=torch.int64)
    for start, size in vast.tiles(SOWN):
        source = CellRNG(vast.random_seed, 0, samples, window=Window(start, vast.size))
        levels = {
            name: source.chance(f"sown/{name}", share, level.channels, size).float()
            for name, level in vast.layout.items()
        }
        vast.write(start, levels)


@torch.no_grad()
def draw(vast: GridFile, draw: Callable[[State], Tensor], side: int) -> Image.Image:
    """Return a grid of two axes as a picture, each pixel the mean over a square of cells.

    Args:
        vast: The grid.
        draw: Makes `(1, 3, height, width)`, from 0 to 1, of a state, each cell by itself.
        side: At most so many pixels along each side.

    Raises:
        ShapeError: The grid has other than two axes.
    """
    height, width = _two(vast)
    square = math.ceil(max(height, width) / side)
    canvas = torch.empty(3, math.ceil(height / square), math.ceil(width / square))
    for start, size in vast.tiles(square * max(1, 1024 // square)):
        state = vast.read(start, size)
        drawn = draw(state if vast.dtype == torch.float64 else state.to(torch.float32)).cpu()
        pixels = F.avg_pool2d(drawn, square, ceil_mode=True, count_include_pad=False)[0]
        top, left = (s // square for s in start)
        canvas[:, top : top + pixels.shape[1], left : left + pixels.shape[2]] = pixels
    bytes_ = (canvas.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    return Image.fromarray(bytes_)


def plain_colours(state: State) -> Tensor:
    """Return the first channel of the top level in grey: what is drawn where there is no task."""
    top = state[list(state)[-1]][:, :1]
    return top.expand(-1, 3, *top.shape[2:])


def _two(vast: GridFile) -> tuple[int, int]:
    if len(vast.size) != 2:
        raise ShapeError(
            f"a grid of {len(vast.size)} axes cannot be paved or drawn.",
            where=f"{vast.size}",
            to_do="use a grid of two axes",
        )
    height, width = vast.size
    return height, width


def _again_and_again(task: Task) -> Iterator[State]:
    while True:
        given = 0
        for batch in task.evaluation_batches("test", AT_ONCE):
            for number in range(batch.state.batch):
                yield batch.state.select(slice(number, number + 1))
            given += batch.state.batch
        if not given:
            raise task.no_samples("test")
