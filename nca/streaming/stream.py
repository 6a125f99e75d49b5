"""Steps on a grid that is too large for the memory, tile by tile.

A tile is read with a margin, steps several times, and is written without it; what is wrong at
the margin's edge has not reached the tile by then. Since randomness is counted by the cells of
the whole grid, the outcome is that of stepping the whole. Memory holds one tile at a time.

Places and sizes are counted in cells of scale 1; where levels are coarser, tiles and margins are
whole cells of the coarsest.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.reach import demand_declared_reach, reach
from nca.engine.state import State
from nca.engine.topology import Topology
from nca.errors import NCAError, ShapeError
from nca.progress import SILENT, Progress
from nca.streaming.grid_file import GridFile
from nca.types import Size

WHOLE = ("binary", "whole")
"""What levels of whole numbers hold, as a rule's `needs` say it."""


@torch.no_grad()
def stream(
    automaton: Automaton,
    grid: GridFile,
    steps: int,
    *,
    tile: int = 512,
    halo: int = 8,
    fire_rate: float | None = None,
    progress: Progress = SILENT,
    passed: Callable[[GridFile], object] = lambda grid: None,
) -> GridFile:
    """Run steps on a grid that is too large for the memory.

    Args:
        automaton: Its weights' device steps the tiles. How far its rules see is taken from their
            `radius`.
        grid: Changed in place: its files hold the outcome afterwards.
        steps: How many.
        tile: Cells along each side of a tile.
        halo: Steps that a tile takes at once; its margin is as many times as wide as a cell sees.
        fire_rate: Use this chance instead of the automaton's own.
        progress: Where it is reported how far it is, after each tile.
        passed: Called with the grid each time that all of it has moved on.

    Raises:
        ShapeError: The automaton has skips, which remember states, or numbers that make no sense;
            a rule sees further than its `radius` says.
        NCAError: Bytes are kept, and a level holds other numbers than whole ones from 0 to 255.
    """
    if grid.dtype == torch.uint8:
        demand_whole_numbers(automaton)
    if automaton.skips or min(tile, halo) < 1:
        raise ShapeError(
            "a grid on disk keeps no remembered states."
            if automaton.skips
            else f"tiles of {tile} cells take {halo} steps at once.",
            where="stream(automaton, grid, ...)",
            to_do="use an automaton without skips, and a tile and halo from 1",
        )
    weight = next(itertools.chain(automaton.parameters(), automaton.buffers()), torch.empty(0))
    dtype = weight.dtype if weight.is_floating_point() else torch.float32
    like = automaton.seed(1, (automaton.layout.coarsest,) * len(grid.size))
    demand_declared_reach(automaton.spec, like, "stream(automaton, grid, ...)")
    done = 0
    progress.begin("stream", steps * math.prod(grid.size), unit="cell-steps")
    for first in range(0, steps, halo):
        count = min(halo, steps - first)
        margin = count * reach(automaton.spec)
        for start, size in grid.tiles(tile):
            lower, extent = _surrounded(automaton.topology, start, size, grid.size, margin)
            state = grid.read(lower, extent, dtype).to(weight.device)
            state = automaton.rollout(state, count, fire_rate=fire_rate)
            grid.write(start, _within(automaton, state, start, lower, size), ahead=True)
            done += count * math.prod(size)
            progress.advance(done)
        grid = replace(grid, step=grid.step + count, turn=1 - grid.turn)
        passed(grid)
    return grid


def demand_whole_numbers(automaton: Automaton) -> None:
    """Refuse an automaton whose rules do not say that their levels hold whole numbers.

    Raises:
        NCAError: A rule needs others.
    """
    for name in automaton.writable_levels:
        for rule in automaton.rules_of(name):
            if rule.needs.states not in WHOLE:
                raise NCAError(
                    f'a byte keeps whole numbers alone, and the rules of level "{name}" move it by '
                    "others.",
                    where=f"{type(rule).__name__}, whose cells hold: {rule.needs.states}",
                    to_do="keep it as float32, or as bfloat16 for half of the room",
                )


def _within(
    automaton: Automaton, state: State, start: Size, lower: Size, size: Size
) -> dict[str, Tensor]:
    """Return the tile within its margin, of every level that may have changed."""
    found = {}
    for name in automaton.writable_levels:
        scale = automaton.layout[name].scale
        cut = [
            slice((s - low) // scale, (s - low + n) // scale)
            for s, low, n in zip(start, lower, size, strict=True)
        ]
        found[name] = state[name][:, :, *cut]
    return found


def _surrounded(
    topology: Topology, start: Size, size: Size, whole: Size, margin: int
) -> tuple[Size, Size]:
    """Return a tile with its margin, which ends where the grid does if the axis is no torus."""
    lower, extent = [], []
    for boundary, s, n, side in zip(topology.of(len(whole)), start, size, whole, strict=True):
        closed = boundary != "torus"
        low = max(s - margin, 0) if closed else s - margin
        high = min(s + n + margin, side) if closed else s + n + margin
        lower.append(low)
        extent.append(high - low)
    return tuple(lower), tuple(extent)
