"""Where a pattern lies in a grid, and in which channels of a level.

Legend: C channel.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from nca import Fault, OptionError
from nca.types import Size
from nca_plugins.discrete.pattern_files import NamedPattern

Corner: TypeAlias = Literal["centre"] | Sequence[int]
"""The first cell of a pattern, along each axis; or `centre`."""


def laid_in_grid(
    opened: NamedPattern, size: Size, channels: int, alone: int | None, at: Corner
) -> tuple[Size, Tensor]:
    """Return the first cell of a pattern, and its cells in the channels of a level.

    A pattern of fewer axes than the grid lies in the middle of the others.

    Args:
        opened: The pattern.
        size: Of the grid.
        channels: Of the level.
        alone: The channel that takes a pattern of one channel; None: all of them do.
        at: Where it lies.

    Returns:
        The place, and `(C, *cells)`.

    Raises:
        OptionError: It does not fit.
    """
    cells = _with_axes(opened, len(size))
    if len(cells) not in (1, channels):
        _refuse(f"has {len(cells)} channels", f"its level has {channels}")
    corner = _corner(tuple(cells.shape[1:]), size, at)
    return corner, spread(cells, channels, alone)


def spread(cells: Tensor, channels: int, alone: int | None) -> Tensor:
    """Return cells of one channel, or of all, in the channels of a level, `(C, *cells)`.

    Args:
        cells: The pattern, with an axis for channels.
        channels: Of the level.
        alone: The channel that takes a pattern of one channel; None: all of them do.
    """
    if len(cells) == channels:
        return cells.float()
    found = torch.zeros(channels, *cells.shape[1:])
    found[slice(None) if alone is None else [alone]] = cells.float()
    return found


def _with_axes(opened: NamedPattern, axes: int) -> Tensor:
    """Return a pattern with an axis for channels and so many for cells."""
    cells = opened.cells
    if not opened.channels and (opened.said or cells.ndim != axes + 1):
        cells = cells.unsqueeze(0)
    while cells.ndim - 1 > axes and cells.shape[1] == 1:  # a row, from a file of two axes
        cells = cells.squeeze(1)
    while cells.ndim - 1 < axes:
        cells = cells.unsqueeze(1)
    if opened.said and axes == 1 and cells.ndim > 2:
        _refuse(f"has {cells.shape[1]} rows", "the grid is a row of cells")
    if (own := cells.ndim - 1) != axes:
        _refuse(f"has {own} axes", f"the grid has {axes}")
    return cells


def _corner(sides: Size, size: Size, at: Corner) -> Size:
    """Return where a pattern of so many cells along each axis begins."""
    corner = at
    if isinstance(corner, str):
        needed = sides
        corner = [max(whole - side, 0) // 2 for whole, side in zip(size, sides, strict=True)]
    else:
        needed = tuple(first + side for first, side in zip(corner, sides, strict=True))
    if any(least > whole for least, whole in zip(needed, size, strict=True)):
        place = "" if at == "centre" else f", and begins at {list(corner)}"
        least = [max(one, whole) for one, whole in zip(needed, size, strict=True)]
        _refuse(
            f"has {' x '.join(map(str, sides))} cells{place}",
            f"the grid has {' x '.join(map(str, size))}: give [grid] size = {least} or more",
        )
    return tuple(corner)


def _refuse(what: str, to_do: str) -> None:
    raise OptionError([Fault(("pattern",), what, to_do)], "PatternTask(...)")
