"""Pictures of states: sheets of tiles, strips through time, and curves.

Legend: B sample, C channel, H height, W width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nca.engine.state import State
from nca.errors import NCAError
from nca.files import write_whole
from nca.jsonl import nan_if_null

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
    """Return samples as rows and moments as columns.

    Args:
        pictures: One `(B, 3, H, W)` per moment.
        words: What stands above each moment.
    """
    sheet = Sheet(words)
    for sample in range(pictures[0].shape[0]):
        sheet.add("", [picture[sample] for picture in pictures])
    return sheet


def principal_axes(tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, first three principal axes, and the spread along each, of all cells.

    Args:
        tensors: `(B, C, *space)` of one level, at several moments.

    Returns:
        `(C)`, `(3, C)` and `(3)`; fewer axes where there are fewer channels.
    """
    flat = torch.cat([t.detach().float().flatten(2).movedim(1, 2).flatten(0, 1) for t in tensors])
    mean = flat.mean(dim=0)
    _, _, basis = torch.linalg.svd(flat - mean, full_matrices=False)
    basis = basis[: min(3, flat.shape[1])]
    # a component's sign is arbitrary; let its greatest weight be positive
    signs = basis.gather(1, basis.abs().argmax(dim=1, keepdim=True)).sign()
    basis = basis * torch.where(signs == 0, torch.ones_like(signs), signs)
    return mean, basis, ((flat - mean) @ basis.T).std(dim=0).clamp(min=1e-8)


def crowd(pictures: Tensor, word: str, columns: int | None = None) -> Sheet:
    """Return samples of one moment in rows and columns, with a word above.

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


def principal_colours(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return each tensor's first three principal components as red, green and blue.

    One basis serves all tensors, so that colours mean the same in all of them.

    Args:
        tensors: `(B, C, *space)` of one level, at several moments.

    Returns:
        `(B, 3, *space)` each, from 0 to 1.
    """
    mean, basis, spread = principal_axes(tensors)
    wanted = len(basis)
    coloured = []
    for tensor in tensors:
        cells = tensor.detach().float().movedim(1, -1) - mean
        shown = (0.5 + (cells @ basis.T) / spread / 5).clamp(0, 1).movedim(-1, 1)
        coloured.append(shown.expand(-1, 3, *shown.shape[2:]) if wanted == 1 else _three(shown))
    return coloured


def level_picture(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return a level at several moments as pictures: grey for one channel, else colours."""
    if tensors[0].shape[1] > 2:
        return principal_colours(tensors)
    grey = [tensor.detach().float().mean(dim=1, keepdim=True) for tensor in tensors]
    low = min(tensor.min().item() for tensor in grey)
    high = max(tensor.max().item() for tensor in grey)
    span = max(high - low, 1e-8)
    return [((tensor - low) / span).expand(-1, 3, *tensor.shape[2:]) for tensor in grey]


def levels_sheet(states: Sequence[State], pictures: Sequence[Tensor], sample: int = 0) -> Sheet:
    """Return moments as rows and levels as columns, with the task's picture last."""
    names = list(states[0])
    by_level = {name: level_picture([state[name] for state in states]) for name in names}
    sheet = Sheet([*names, "picture"])
    for moment, state in enumerate(states):
        row = [by_level[name][moment][sample] for name in names]
        sheet.add(f"step {state.step}", [*row, pictures[moment][sample]])
    return sheet


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture atomically, as PNG or in another format that the ending names.

    Raises:
        NCAError: The ending names no format, or one that cannot hold the picture.
        StorageError: The file cannot be written.
    """
    content, form = BytesIO(), Image.registered_extensions().get(path.suffix.lower())
    try:
        if form not in Image.SAVE:
            raise ValueError(f"{path.suffix!r} names no format for writing")
        image.save(content, form)
    except (OSError, ValueError) as fault:
        raise NCAError(
            f"the picture cannot be written: {fault}.",
            where=str(path),
            to_do="choose an ending such as .png",
        ) from fault
    write_whole(path, content.getvalue())


def save_curve(records: Sequence[dict[str, Any]], headline: str, path: Path) -> None:
    """Draw the loss and the held-out headline over the iterations.

    Args:
        records: What `metrics.jsonl` holds.
        headline: The metric to draw beside the loss.
        path: The PNG file.

    Raises:
        StorageError: It cannot be written.
    """
    # imported here, because it takes a second that only a run's end can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    losses = _curve(records, "train", "loss")
    held = _curve(records, "held_out", headline)
    if losses:
        left.plot(*zip(*losses, strict=True), color="#0072b2", linewidth=1, label="loss")
        if all(loss > 0 for _, loss in losses if loss == loss):
            left.set_yscale("log")
    left.set_xlabel("iteration")
    left.set_ylabel("loss", color="#0072b2")
    if held:
        right = left.twinx()
        right.plot(*zip(*held, strict=True), color="#d55e00", marker="o", markersize=3)
        right.set_ylabel(f"{headline}, held out", color="#d55e00")
    content = BytesIO()
    figure.savefig(content, dpi=120, format="png")
    write_whole(path, content.getvalue())


def _curve(records: Sequence[dict[str, Any]], kind: str, name: str) -> list[tuple[int, float]]:
    """Return pairs of iteration and value; what is undefined is NaN, and a gap in the curve."""
    return [(r["iteration"], nan_if_null(r[name])) for r in records if r["kind"] == kind]


def _as_wide(picture: Tensor, height: int, width: int) -> Tensor:
    """Enlarge or thin out a level of another grid size to that of the first tile."""
    if tuple(picture.shape[-2:]) == (height, width):
        return picture
    return torch.nn.functional.interpolate(picture[None], (height, width), mode="nearest")[0]


def _three(shown: Tensor) -> Tensor:
    missing = 3 - shown.shape[1]
    return torch.cat([shown, torch.full_like(shown[:, :missing], 0.5)], dim=1) if missing else shown
