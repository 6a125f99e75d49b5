"""Forty pictures that a person might have drawn: two classes, odd sizes, every mode."""

from pathlib import Path

import numpy as np
from PIL import Image

MODES = ("RGB", "L", "RGBA", "P", "1", "LA", "I;16")

RECIPE = """\
format = 1

[grid]
size = [12, 12]

[[levels]]
name = "image"
channels = 1
input = true

[[levels]]
name = "body"
channels = 8
rules = [{ name = "self_classifying" }]

[rollout]
steps = [2, 3]
fire_rate = 0.5

[task]
name = "cell_classification"
dataset = { name = "folder", path = "photos", size = [12, 12] }

[train]
batch = 4
iterations = 2
learning_rate = 2e-3
validate_every = 1

[evaluate]
steps = [3]
"""
"""A whole recipe that trains on them, for a file beside the folder `photos`."""


def shape(kind: str, height: int, width: int) -> np.ndarray:
    """Return a white bar, or a white ring, on black."""
    y, x = np.mgrid[:height, :width]
    if kind == "bar":
        ink = abs(x / width - 0.5) < 0.15
    else:
        away = np.hypot(y / height - 0.5, x / width - 0.5)
        ink = (away < 0.45) & (away > 0.25)
    return (ink * 255).astype(np.uint8)


def picture(kind: str, number: int) -> Image.Image:
    """Return the picture of a number: its size and its mode are odd, and always the same."""
    grey = shape(kind, 9 + 5 * number % 23, 8 + 7 * number % 29)
    mode = MODES[number % len(MODES)]
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    return Image.fromarray(grey).convert(mode)


def photos(folder: Path, count: int = 20, classes: tuple[str, ...] = ("bar", "ring")) -> Path:
    """Draw pictures of each class into a folder, beside what systems and people leave there."""
    for kind in classes:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            drawn = picture(kind, number)
            drawn.save(folder / kind / f"{number}.{'bmp' if drawn.mode == 'RGB' else 'png'}")
    (folder / classes[0] / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / classes[0] / "._1.png").write_bytes(b"\0\5\x16\7")
    (folder / classes[-1] / "notes.txt").write_text("ring, ring")
    return folder
