"""Scenes of objects on a dark ground, and which object each pixel shows.

A scene is a pure function of random seed, number and settings; it is made on the host, so that no
device changes it. Objects keep a pixel away from the rim, so that none touches another around the
torus. Without overlap an object takes the first of a few places where it lies on no other, and is
left out where there is none; with overlap the later ones lie on top.

Legend: B scene, K object, S pixels along a side.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import CellRNG, Fault
from nca_plugins.objects.blocks import block_masks
from nca_plugins.objects.sprites import sprite_masks

MOST = 6
"""Objects that a scene can hold."""

TRIES = 24
RIM = 1

ObjectKind: TypeAlias = Literal["blocks", "sprites"]
ObjectColours: TypeAlias = Literal["distinct", "repeated", "random"]

PALETTE = torch.tensor(
    [
        (0.9, 0.15, 0.15),
        (0.15, 0.75, 0.2),
        (0.2, 0.35, 0.95),
        (0.95, 0.85, 0.15),
        (0.85, 0.25, 0.85),
        (0.2, 0.85, 0.85),
        (0.95, 0.5, 0.1),
        (0.85, 0.85, 0.85),
    ]
)
"""Red, green and blue of each colour that objects choose from."""


@dataclass(frozen=True)
class ObjectSettings:
    """What scenes are like.

    Attributes:
        kind: What the objects are.
        side: Pixels along each side.
        count: The least and the greatest number of objects.
        unit: Pixels along each side of a block's squares.
        radius: The least and the greatest radius of a circle around a sprite, in pixels.
        overlap: Whether objects may lie on each other.
        colours: Different ones of a palette; any of it, maybe one twice; or any at all.
        noise: Standard deviation of the noise on every pixel and colour, in shares of white.
    """

    kind: ObjectKind = "blocks"
    side: int = 16
    count: tuple[int, int] = (2, 4)
    unit: int = 2
    radius: tuple[float, float] = (3.0, 5.0)
    overlap: bool = False
    colours: ObjectColours = "distinct"
    noise: float = 0.0

    def misfits(self) -> Iterator[Fault]:
        """Yield what cannot be drawn."""
        for name, pair in (("count", self.count), ("radius", self.radius)):
            if pair[0] > pair[1]:
                to_do = f"give the smaller number first: {sorted(pair)}"
                yield Fault((name,), f"is {list(pair)}", to_do)
        size = 4 * self.unit if self.kind == "blocks" else 2 * self.radius[1]
        if size > self.side - 2 * RIM:
            named = f"unit = {self.unit}" if self.kind == "blocks" else f"radius {self.radius[1]:g}"
            to_do = f"{self.kind} of {named} take at least {size + 2 * RIM:g} pixels"
            yield Fault(("side",), f"is {self.side}", to_do)


@dataclass(frozen=True)
class ObjectScenes:
    """Pictures and their truth.

    Attributes:
        images: `(B, 3, S, S)`, float32, from 0 to 1 but for the noise.
        objects: `(B, S, S)`, int64: the number of the object that is seen, from 1; 0: the ground.
    """

    images: Tensor
    objects: Tensor


def draw_objects(settings: ObjectSettings, random_seed: int, numbers: Tensor) -> ObjectScenes:
    """Return the scenes of these numbers, `(B,)` int64, all on the host."""
    source = CellRNG(random_seed, 0, numbers)
    objects = _numbered(_placed(settings, source))
    objects = F.pad(objects, [RIM] * 4)
    palette = F.pad(_colours(settings, source), (0, 0, 1, 0))  # (B, 1 + K, 3), the ground first
    index = objects.flatten(1).unsqueeze(-1).expand(-1, -1, 3)
    images = palette.gather(1, index).mT.unflatten(2, objects.shape[1:])
    if settings.noise:
        images = images + settings.noise * source.normal("noise", 3, objects.shape[1:])
    return ObjectScenes(images, objects)


def _placed(settings: ObjectSettings, source: CellRNG) -> Tensor:
    """Return where each object lies, bool `(B, K, side, side)`; nowhere, if it is not there."""
    low, high = settings.count
    tries, inner = 1 if settings.overlap else TRIES, settings.side - 2 * RIM
    if settings.kind == "blocks":
        masks = block_masks(source, high, tries, inner, settings.unit)
    else:
        masks = sprite_masks(source, high, tries, inner, settings.radius)
    count = low + (source.each("count") * (high - low + 1)).long()  # (B, 1)
    row, taken, placed = torch.arange(len(masks)), torch.zeros_like(masks[:, 0, 0]), []
    for number in range(high):
        free = ~(masks[:, number] & taken.unsqueeze(1)).flatten(2).any(dim=2)  # (B, T)
        free |= settings.overlap
        there = free.any(dim=1) & (number < count[:, 0])
        chosen = masks[row, number, free.int().argmax(dim=1)] & there[:, None, None]
        taken = taken | chosen
        placed.append(chosen)
    return torch.stack(placed, dim=1)


def _numbered(placed: Tensor) -> Tensor:
    """Return the number of the object that is seen of each pixel: the last one that lies there."""
    number = torch.arange(1, placed.shape[1] + 1).view(1, -1, 1, 1)
    return (placed * number).amax(dim=1)


def _colours(settings: ObjectSettings, source: CellRNG) -> Tensor:
    """Return the colour of each object, `(B, K, 3)`."""
    high, kinds = settings.count[1], len(PALETTE)
    if settings.colours == "random":
        drawn = source.each("colours", 3 * high).view(-1, high, 3)
        # one of red, green and blue is bright, so that no object is as dark as the ground
        return 0.1 + 0.9 * drawn / drawn.amax(dim=2, keepdim=True).clamp(min=0.1)
    if settings.colours == "repeated":
        return PALETTE[(source.each("colours", high) * kinds).long()]
    order = source.bits("colours", kinds, (1,)).flatten(1).argsort(dim=1, stable=True)
    return PALETTE[order[:, :high]]
