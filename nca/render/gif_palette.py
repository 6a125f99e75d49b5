"""The one palette of a GIF: exact where 256 colours suffice, else exact for large flat areas.

Legend: H height, W width.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

ENTRIES = 256
SAMPLED = 8
"""From so many frames a palette is taken where there are too many colours for one."""
FLAT = 0.002
"""A share of all pixels from which one colour keeps a place of its own."""
MOST_FLAT = 96
ALWAYS = (0xFFFFFF, 0x000000)
"""White and black, which keep a place wherever they occur."""


def with_one_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Return frames as indices into one palette, which all of them share.

    Args:
        frames: In RGB, all of one size.
    """
    colours = _all_colours(frames)
    if colours is not None:
        exact, others = colours, np.empty(0, dtype=np.uint32)
    else:
        exact, others = _flat_and_others(frames)
    palette = Image.new("P", (1, 1))
    rest = _nearest(others, ENTRIES - len(exact)) if len(others) else others
    entries = np.concatenate([exact, rest])
    numbers = np.stack([entries >> 16, entries >> 8 & 255, entries & 255], axis=-1)
    palette.putpalette(numbers.astype(np.uint8).tobytes())
    return [_indexed(frame, palette, exact, colours is not None) for frame in frames]


def _codes(frame: Image.Image) -> np.ndarray:
    """Return each pixel as one number, `(H, W)`."""
    pixels = np.asarray(frame.convert("RGB")).astype(np.uint32)
    return pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]


def _all_colours(frames: Sequence[Image.Image]) -> np.ndarray | None:
    """Return all colours, rising; None where they are more than a palette holds."""
    found: set[tuple[int, int, int]] = set()
    for frame in frames:
        counted = frame.convert("RGB").getcolors(ENTRIES)
        found.update(colour for _, colour in counted or ())  # pyright: ignore[reportArgumentType]
        if counted is None or len(found) > ENTRIES:
            return None
    return np.array(sorted(r << 16 | g << 8 | b for r, g, b in found), dtype=np.uint32)


def _flat_and_others(frames: Sequence[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of large areas, rising, and the pixels of all others."""
    stride = max(1, -(-len(frames) // SAMPLED))
    pixels = np.concatenate([_codes(f).ravel() for f in [*frames[::stride], frames[-1]]])
    colours, counts = np.unique(pixels, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_FLAT]
    flat = colours[order[counts[order] >= FLAT * len(pixels)]]
    exact = np.union1d(flat, np.intersect1d(colours, np.array(ALWAYS, dtype=np.uint32)))
    return exact, pixels[~np.isin(pixels, exact)]


def _nearest(pixels: np.ndarray, count: int) -> np.ndarray:
    """Return so many colours that come near to those of the pixels."""
    parts = np.stack([pixels >> 16, pixels >> 8 & 255, pixels & 255], axis=-1).astype(np.uint8)
    found = Image.fromarray(parts[None]).quantize(count).getpalette() or []
    table = np.array(found, dtype=np.uint32).reshape(-1, 3)[:count]
    return table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2]


def _indexed(
    frame: Image.Image, palette: Image.Image, exact: np.ndarray, alone: bool
) -> Image.Image:
    codes = _codes(frame)
    place = np.searchsorted(exact, codes).clip(max=max(len(exact) - 1, 0))
    if alone:
        index = place.astype(np.uint8)
    else:
        near = frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        # Pillow takes the nearest entry of a box of colours, not of the colour itself
        hit = exact[place] == codes if len(exact) else np.zeros_like(codes, dtype=bool)
        index = np.where(hit, place, np.asarray(near)).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette(palette.getpalette() or [])
    return image
