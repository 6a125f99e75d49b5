"""Pictures of states: tiles, sheets of tiles, and strips through time.

Legend: B sample, C channel, H height, W width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nca.engine.state import State
from nca.errors import NCAError
from nca.files import write_whole
from nca.render.limits import check_fits, format_of
from nca.render.pca import principal_colours

GAP = 6
TEXT = 12
INK, PAPER = (40, 40, 40), (255, 255, 255)


def tile(picture: Tensor, scale: int) -> Image.Image:
    """Return one `(3, H, W)` picture, from 0 to 1, with every cell `scale` pixels wide."""
    pixels = (picture.detach().clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    image = Image.fromarray(pixels)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def fitting_scale(size: Sequence[int], side: int = 112) -> int:
    """Return how many pixels a cell may take so that a tile is about `side` pixels wide."""
    return max(1, side // max(size[-2:]))


@dataclass
class Sheet:
    """Tiles in rows and columns, with words above and beside them.

    Attributes:
        columns: Words above each column.
        rows: One list of `(3, H, W)` pictures per row.
        names: Words beside each row.
    """

    columns: Sequence[str]
    rows: list[Sequence[Tensor]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, name: str, pictures: Sequence[Tensor]) -> None:
        """Add a row of pictures, all of one size."""
        self.rows.append(pictures)
        self.names.append(name)

    def only(self, row: int) -> "Sheet":
        """Return a sheet of one row."""
        return Sheet(self.columns, [self.rows[row]], [self.names[row]])

    def image(self, scale: int | None = None) -> Image.Image:
        """Return the sheet as one picture."""
        height, width = self.rows[0][0].shape[-2:]
        scale = scale or fitting_scale((height, width))
        font = ImageFont.load_default(TEXT)
        high, wide = height * scale, width * scale
        margin = max((int(font.getlength(name)) for name in self.names), default=0)
        margin += GAP if margin else 0
        # a column is as wide as its word, where cells are few
        wide_each = max([wide, *(int(font.getlength(word)) for word in self.columns)])
        step = (wide_each + GAP, high + GAP)
        size = (
            GAP + margin + step[0] * len(self.columns),
            TEXT + 2 * GAP + step[1] * len(self.rows),
        )
        sheet = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(sheet)
        for column, word in enumerate(self.columns):
            pen.text((GAP + margin + column * step[0], GAP // 2), word, INK, font)
        for row, (pictures, name) in enumerate(zip(self.rows, self.names, strict=True)):
            top = TEXT + 2 * GAP + row * step[1]
            pen.text((GAP, top + (high - TEXT) // 2), name, INK, font)
            for column, picture in enumerate(pictures):
                place = (GAP + margin + column * step[0], top)
                sheet.paste(tile(_as_wide(picture, height, width), scale), place)
        return sheet


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
        return principal_colours(tensors)
    grey = [tensor.detach().float().mean(dim=1, keepdim=True) for tensor in tensors]
    low = min(tensor.min().item() for tensor in grey)
    high = max(tensor.max().item() for tensor in grey)
    span = max(high - low, 1e-8)
    return [((tensor - low) / span).expand(-1, 3, *tensor.shape[2:]) for tensor in grey]


def levels_sheet(states: Sequence[State], pictures: Sequence[Tensor], sample: int = 0) -> Sheet:
    """Return steps as rows and levels as columns, with the task's picture last."""
    names = list(states[0])
    by_level = {name: level_picture([state[name] for state in states]) for name in names}
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
    """Enlarge or thin out a level of another grid size to that of the first tile."""
    if tuple(picture.shape[-2:]) == (height, width):
        return picture
    return torch.nn.functional.interpolate(picture[None], (height, width), mode="nearest")[0]
