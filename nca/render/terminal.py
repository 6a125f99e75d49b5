"""Draw pictures in a terminal: each character is two cells, one above the other.

A picture that is too large for its place is scaled down, whole blocks of cells to their mean; a
small one is enlarged by a whole number, so that its cells stay square and sharp.

Legend: H height, W width.
"""

import itertools
from collections.abc import Sequence

from einops import repeat
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from torch import Tensor
from torch.nn import functional as F

UPPER = "\u2580"
GAP = 2
"""Columns between two pictures."""
NARROWEST = 12
"""Columns that a large picture gets before the next one goes below."""


def half_blocks(pictures: Sequence[Tensor], columns: int, rows: int) -> Segments:
    """Return pictures beside each other as coloured text.

    Where a picture has an odd number of cells from top to bottom, nothing lies below its last.

    Args:
        pictures: `(3, H, W)` each, red, green and blue from 0 to 1; what is beyond is clipped,
            and what is no number is black.
        columns: So many characters at most for each, from 1.
        rows: So many lines at most, from 1.
    """
    bands = [_bands(fit_to_terminal(picture, columns, rows)) for picture in pictures]
    segments: list[Segment] = []
    for line in itertools.zip_longest(*bands):
        for number, (band, styles) in enumerate(zip(bands, line, strict=True)):
            if number:
                segments.append(Segment(" " * GAP))
            if styles is None:
                segments.append(Segment(" " * len(band[0])))
                continue
            for style, run in itertools.groupby(styles):
                segments.append(Segment(UPPER * len(list(run)), style))
        segments.append(Segment.line())
    return Segments(segments)


def print_pictures(console: Console, pictures: Sequence[Tensor]) -> None:
    """Print pictures beside each other, and below where a line holds no more.

    Args:
        console: Its size is the size of each line of pictures at most.
        pictures: `(3, H, W)` each.
    """
    narrowest = min(NARROWEST, max(picture.shape[2] for picture in pictures))
    count = min(len(pictures), max(1, (console.width + GAP) // (narrowest + GAP)))
    columns = max(1, (console.width - GAP * (count - 1)) // count)
    for start in range(0, len(pictures), count):
        if start:
            console.print()
        row = pictures[start : start + count]
        console.print(half_blocks(row, columns, console.height), end="")


def fit_to_terminal(picture: Tensor, columns: int, rows: int) -> Tensor:
    """Return a picture as large as its place allows, at a scale that keeps cells whole.

    Args:
        picture: `(3, H, W)`.
        columns: So many cells wide at most, from 1.
        rows: Half as many cells high at most, from 1.

    Returns:
        `(3, height, width)`, float32: the mean of each block of cells, where the last block of a
        row or column may be a part of one; or each cell as a block.
    """
    height, width = picture.shape[1:]
    block = max(-(-height // (2 * rows)), -(-width // columns))
    if block > 1:
        return F.avg_pool2d(picture[None].float(), block, ceil_mode=True)[0]
    times = min(2 * rows // height, columns // width)
    return repeat(picture.float(), "c h w -> c (h y) (w x)", y=times, x=times)


def abreast(picture: Tensor, columns: int, rows: int) -> int:
    """Return how many pictures like this one fit beside each other at their full height.

    Args:
        picture: `(3, H, W)`.
        columns: So many characters for all of them, from 1.
        rows: So many lines, from 1.
    """
    wide = fit_to_terminal(picture, columns, rows).shape[2]
    return (columns + GAP) // (wide + GAP)


def why_no_picture(console: Console) -> str:
    """Return why pictures cannot be seen on a console, or nothing if they can."""
    if not console.is_terminal:
        return "there is no terminal to draw on"
    if console.no_color:
        return "NO_COLOR is set"
    if console.color_system is None or console.options.ascii_only:
        return "the terminal lacks colours, or characters beyond ASCII"
    return ""


def _bands(picture: Tensor) -> list[list[Style]]:
    """Return the style of each character, line by line."""
    numbers = (picture.nan_to_num(0).clamp(0, 1) * 255).round().int().movedim(0, -1).tolist()
    rows = [[Color.from_rgb(*cell) for cell in row] for row in numbers]
    nothing = [None] * len(rows[0])
    return [
        [Style(color=above, bgcolor=below) for above, below in zip(upper, lower, strict=True)]
        for upper, lower in itertools.zip_longest(rows[::2], rows[1::2], fillvalue=nothing)
    ]
