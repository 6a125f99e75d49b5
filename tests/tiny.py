"""A recipe and a plugin so small that a whole run takes a second."""

from pathlib import Path

from nca.registry.discovery import load_file

RECIPE = """\
# Tell light from dark, on the smallest grid that can.
format = 1
random_seed = 3

[grid]
size = [8, 8]                  # height, width, in cells

[[levels]]
name = "image"
channels = 1
input = true

[[levels]]
name = "body"
channels = 4
rules = [{ name = "growing", hidden = 4 }]

[rollout]
steps = [2, 3]                 # drawn afresh for every batch
fire_rate = 0.5
alive = { level = "image", channel = 0, above = 0.1 }

[task]
name = "cell_classification"
dataset = "blobs"
held_out = 8

[pool]
size = 8

[train]
batch = 4
iterations = 4
learning_rate = 2e-3
validate_every = 2
save_every = 2

[evaluate]
steps = [3]
"""
"""A whole recipe; its line numbers are what tests of errors count on."""

PLUGIN = '''\
"""Squares of 8x8 pixels, light or dark."""

import torch

from nca import Dataset, LabelledImages, register


@register.dataset("blobs")
class Blobs(Dataset):
    """Light and dark squares."""

    classes = ("dark", "light")
    side = 8

    def load(self, split, folder=None, report=None):
        labels = torch.arange(24) % len(self.classes)
        light = 60 + 150 * labels / (len(self.classes) - 1)
        images = light.to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 1, self.side, self.side)
        return LabelledImages(images, labels)
'''
"""A plugin that brings the data set which the recipe names."""


def known(folder: Path) -> None:
    """Execute the plugin, where a recipe with faults is judged as a whole."""
    (folder / "blobs.py").write_text(PLUGIN)
    load_file(folder / "blobs.py")


def changed(old: str, new: str, text: str = RECIPE) -> str:
    """Return the recipe with one piece exchanged, which must be there once."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


def line_of(piece: str, text: str = RECIPE) -> int:
    """Return the number of the one line that holds a piece, from 1."""
    (line,) = [n for n, row in enumerate(text.splitlines(), 1) if piece in row]
    return line
