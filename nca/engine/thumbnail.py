"""A state as a notebook shows it: a row for each level, with a picture where there are two axes."""

import struct
import zlib
from base64 import b64encode
from html import escape

import torch
from torch import Tensor

LONGEST = 512
"""Cells along a side of what is drawn, at most."""
WIDTH = 96
"""Pixels across a picture on the page."""


def thumbnail(name: str, level: Tensor) -> str:
    """Return a row of a table of HTML: name, shape and range of a level, and its first sample.

    Three channels are red, green and blue, fewer are grey; from the least of their numbers, black,
    to the greatest.

    Args:
        name: Of the level.
        level: `(B, C, *space)`.
    """
    level = level.detach().float().cpu()
    shape = " x ".join(map(str, level.shape))
    numbers = level[level.isfinite()]
    lost = level.numel() - numbers.numel()
    least, greatest = (f"{one:.3g}" for one in numbers.aminmax()) if numbers.numel() else ("", "")
    spread = f"{least} to {greatest}{f', {lost} not finite' if lost else ''}"
    cells = f"<td>{escape(name)}</td><td>{shape}</td><td>{spread}</td><td>{_image(level)}</td>"
    return f"<tr>{cells}</tr>"


def _image(level: Tensor) -> str:
    if level.ndim != 4 or not level.numel() or max(level.shape[2:]) > LONGEST:
        return ""
    shown = level[0, : 3 if level.shape[1] >= 3 else 1].nan_to_num(0, 0, 0)
    least, greatest = shown.aminmax()
    bright = (shown - least) / (greatest - least).clamp(min=1e-12)
    source = b64encode(png((bright * 255).round().to(torch.uint8))).decode()
    style = f"width: {WIDTH}px; image-rendering: pixelated"
    return f'<img style="{style}" src="data:image/png;base64,{source}">'


def png(pixels: Tensor) -> bytes:
    """Return a picture `(1 or 3, height, width)`, uint8, as the bytes of a PNG file."""
    channels, height, width = pixels.shape
    rows = pixels.permute(1, 2, 0).reshape(height, width * channels)
    lines = b"".join(b"\0" + bytes(row.tolist()) for row in rows)  # each begins with its filter
    colour = 2 if channels == 3 else 0
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
