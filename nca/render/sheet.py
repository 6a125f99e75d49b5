"""Pictures of states: tiles, sheets of tiles, and strips through time.

Legend: B sample, C channel, H height, W width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from nca.engine.state import State
from nca.errors import NCAError
from nca.files import write_whole
from nca.render.lattice import hexagonal
from nca.render.legend import (
    GAP,
    LINE,
    TEXT,
    LegendEntry,
    draw_entry,
    legend_places,
    write_words,
)
from nca.render.limits import check_fits, format_of
from nca.render.pca import principal_colours
from nca.render.text import width_of
from nca.tasks.display import laid_flat

PAPER = (255, 255, 255)
MARK, MARKED = (1.0, 0.0, 1.0), "magenta"
"""What cells look like whose numbers are not finite."""


def tile(picture: Tensor, scale: int, lattice: str = "square") -> Image.Image:
    """Return one `(3, H, W)` picture, from 0 to 1, with every cell `scale` pixels wide.

    Args:
        picture: A number that is not finite makes a mark of its cell.
        scale: Pixels along each side of a cell.
        lattice: How the cells lie, `square` or `hexagonal`.
    """
    picture = picture.detach().float()
    mark = torch.tensor(MARK, device=picture.device).view(3, 1, 1)
    picture = torch.where(picture.isfinite().all(dim=0), picture, mark)
    if lattice == "hexagonal" and scale > 1:
        picture, scale = hexagonal(picture, scale), 1
    pixels = (picture.clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    image = Image.fromarray(pixels)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def fitting_scale(size: Sequence[int], side: int = 112) -> int:
    """Return how many pixels a cell may take so that a tile is about `side` pixels wide."""
    return max(1, side // max(size[-2:]))


@dataclass
class Sheet:
    """Tiles in rows and columns, with words around them and a legend below.

    Attributes:
        columns: Words above each column.
        rows: One list of `(3, H, W)` pictures per row.
        names: Words to the left of each row.
        notes: Words to the right of each row; none at all if empty.
        captions: Words below each tile, for each row; none at all if empty.
        legend: Colours that the tiles show.
        least: Pixels that a column is wide at least.
        least_beside: Pixels that are left for the notes at least.
        lattice: How the cells of all tiles lie.
    """

    columns: Sequence[str]
    rows: list[Sequence[Tensor]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    notes: Sequence[str] = ()
    captions: Sequence[Sequence[str]] = ()
    legend: Sequence[LegendEntry] = ()
    least: int = 0
    least_beside: int = 0
    lattice: str = "square"

    def add(self, name: str, pictures: Sequence[Tensor]) -> None:
        """Add a row of pictures, all of one size."""
        self.rows.append(pictures)
        self.names.append(name)

    def only(self, row: int) -> "Sheet":
        """Return a sheet of one row, with its words."""
        rows, names = [self.rows[row]], [self.names[row]]
        notes, captions = self.notes[row : row + 1], self.captions[row : row + 1]
        return replace(self, rows=rows, names=names, notes=notes, captions=captions)

    @property
    def tile_size(self) -> tuple[int, int]:
        """Cells of the largest tile, which all others are drawn as large as: height and width."""
        sizes = [picture.shape[-2:] for row in self.rows for picture in row]
        return max(height for height, _ in sizes), max(width for _, width in sizes)

    def widest_word(self) -> int:
        """Return how wide the words above and below the tiles are at most, in pixels."""
        words = [*self.columns, *(word for row in self.captions for word in row)]
        return max(map(width_of, words), default=0)

    def widest_note(self) -> int:
        """Return how wide the words to the right of the rows are at most, in pixels."""
        return max(map(width_of, self.notes), default=0)

    def size(self, scale: int | None = None) -> tuple[int, int]:
        """Return width and height of the sheet as a picture."""
        return self._plan(scale).size

    def image(self, scale: int | None = None) -> Image.Image:
        """Return the sheet as one picture.

        Args:
            scale: Pixels along each side of a cell; as many as fit if None.
        """
        plan = self._plan(scale)
        sheet = Image.new("RGB", plan.size, PAPER)
        pen = ImageDraw.Draw(sheet)
        for column, word in enumerate(self.columns):
            write_words(pen, (plan.left + column * plan.across, GAP // 2), word)
        height, _ = self.tile_size
        for row, pictures in enumerate(self.rows):
            top = TEXT + 2 * GAP + row * plan.down
            middle = top + (height * plan.scale - TEXT) // 2
            write_words(pen, (GAP, middle), self.names[row])
            for column, picture in enumerate(pictures):
                left = plan.left + column * plan.across
                sheet.paste(self._tile(picture, plan.scale), (left, top))
                if self.captions:
                    below = top + height * plan.scale + GAP // 3
                    write_words(pen, (left, below), self.captions[row][column])
            if self.notes:
                write_words(pen, (plan.right, middle), self.notes[row])
        for entry, (left, line) in zip(self.legend, plan.places, strict=True):
            draw_entry(pen, entry, left, plan.below + line * LINE)
        return sheet

    def _tile(self, picture: Tensor, scale: int) -> Image.Image:
        return tile(_as_wide(picture, *self.tile_size), scale, self.lattice)

    def _plan(self, scale: int | None) -> "_Plan":
        height, width = self.tile_size
        scale = scale or fitting_scale((height, width))
        margin = max(map(width_of, self.names), default=0)
        left = GAP + margin + (GAP if margin else 0)
        # a column is as wide as its words, where cells are few
        across = max(width * scale, self.least, self.widest_word()) + GAP
        down = max(height * scale, TEXT) + GAP + (TEXT + GAP // 2 if self.captions else 0)
        right = left + across * len(self.columns)
        beside = max(self.widest_note(), self.least_beside)
        whole = right + (beside + GAP if beside else 0)
        below = TEXT + 2 * GAP + down * len(self.rows)
        whole = max([whole, *(2 * GAP + entry.width for entry in self.legend)])
        places = legend_places(self.legend, whole)
        high = below + (LINE * (places[-1][1] + 1) + GAP if places else 0)
        return _Plan(scale, left, right, below, across, down, (whole, high), places)


class _Plan(NamedTuple):
    """Where the parts of a sheet lie, in pixels; `places` of the legend are left and line."""

    scale: int
    left: int
    right: int
    below: int
    across: int
    down: int
    size: tuple[int, int]
    places: list[tuple[int, int]]


def strip(pictures: Sequence[Tensor], words: Sequence[str]) -> Sheet:
    """Return samples as rows and steps as columns.

    Args:
        pictures: One `(B, 3, H, W)` per step.
        words: What stands above each step.
    """
    sheet = Sheet(words)
    for sample in range(pictures[0].shape[0]):
        sheet.add("", [picture[sample] for picture in pictures])
    return sheet


def crowd(pictures: Tensor, word: str, columns: int | None = None) -> Sheet:
    """Return samples of one step in rows and columns, with a word above.

    Args:
        pictures: `(B, 3, H, W)`.
        word: What stands above.
        columns: How many; all in one row if None and there are at most eight.
    """
    count = len(pictures)
    columns = min(count, columns or (count if count <= 8 else -(-count // math.isqrt(count))))
    sheet = Sheet([word, *[""] * (columns - 1)])
    for start in range(0, count, columns):
        sheet.add("", list(pictures[start : start + columns]))
    return sheet


def channel_picture(level: Tensor, channels: Sequence[int], name: str) -> Tensor:
    """Return one channel as grey, or three as red, green and blue, `(B, 3, H, W)`, as they are.

    Raises:
        NCAError: Other than one or three channels, or one that the level lacks.
    """
    if len(channels) not in (1, 3) or not all(0 <= c < level.shape[1] for c in channels):
        raise NCAError(
            f"channels {', '.join(map(str, channels))} of level {name!r} make no picture.",
            where="--channels",
            to_do=f"name one or three of its channels, 0 to {level.shape[1] - 1}: 0,1,2",
        )
    return level[:, list(channels)].float().expand(-1, 3, *level.shape[2:])


def level_picture(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return a level at several steps as pictures: grey for one channel, else colours."""
    if tensors[0].shape[1] > 2:
        shown = principal_colours(tensors)
        return [_marked(colours, level) for colours, level in zip(shown, tensors, strict=True)]
    grey = [tensor.detach().float().mean(dim=1, keepdim=True) for tensor in tensors]
    finite = torch.cat([tensor[tensor.isfinite()] for tensor in grey])
    low, high = (finite.min().item(), finite.max().item()) if len(finite) else (0.0, 0.0)
    span = max(high - low, 1e-8)
    shown = [((tensor - low) / span).expand(-1, 3, *tensor.shape[2:]) for tensor in grey]
    return [_marked(colours, level) for colours, level in zip(shown, tensors, strict=True)]


def _marked(colours: Tensor, level: Tensor) -> Tensor:
    """Return the colours of a level, NaN where one of a cell's numbers is not finite."""
    return colours.where(level.isfinite().all(dim=1, keepdim=True), torch.nan)


def levels_sheet(states: Sequence[State], pictures: Sequence[Tensor], sample: int = 0) -> Sheet:
    """Return steps as rows and levels as columns, with the task's picture last."""
    names = list(states[0])
    by_level = {name: level_picture([laid_flat(s[name]) for s in states]) for name in names}
    sheet = Sheet([*names, "picture"])
    for number, state in enumerate(states):
        row = [by_level[name][number][sample] for name in names]
        sheet.add(f"step {state.step}", [*row, pictures[number][sample]])
    return sheet


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture atomically, as PNG or in another format that the ending names.

    Raises:
        NCAError: The ending names no format, or one that cannot hold the picture.
        StorageError: The file cannot be written.
    """
    demand_format(path)
    check_fits(*image.size, str(path))
    content = BytesIO()
    try:
        image.save(content, format_of(path.name))
    except (OSError, ValueError, OverflowError, RuntimeError) as fault:
        raise _cannot_be_written(path, str(fault)) from fault
    write_whole(path, content.getvalue())


def demand_format(path: Path) -> None:
    """Refuse an ending that names no format for pictures, before any is drawn.

    Raises:
        NCAError: It names none.
    """
    if format_of(path.name) not in Image.SAVE:
        raise _cannot_be_written(path, f"{path.suffix!r} names no format for writing")


def _cannot_be_written(path: Path, why: str) -> NCAError:
    return NCAError(
        f"the picture cannot be written: {why}.",
        where=str(path),
        to_do="choose an ending such as .png",
    )


def _as_wide(picture: Tensor, height: int, width: int) -> Tensor:
    """Enlarge a picture of fewer cells to the size of a tile."""
    if tuple(picture.shape[-2:]) == (height, width):
        return picture
    return torch.nn.functional.interpolate(picture[None], (height, width), mode="nearest")[0]
