"""Scenes of ellipses in wholes, of which every part and every whole is known.

Every whole is made of the same five parts, and its class follows from their arrangement: the shape
of a part says nothing about it. How a part is turned says a little, unless wholes turn as far as
they can. The wholes of one scene are of different classes, for two of one class could not be
distinguished by it. A scene is a pure function of random seed, number and settings; it is made
on the host, so that no device changes it. In the spirit of eGLOM (Culp, Sabour and Hinton 2022);
the numbers are our own.

Parts swell until some touch in nearly every scene (94 of 100 at 32 pixels): where all lie apart,
finding connected ink would find the parts.

Legend: B scene, T try, K whole, P part (five for each whole), 2 the coordinates (across, down),
from -1 to 1.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from nca import CellRNG, Fault, OptionError

PARTS = 5
CLASSES = 6
MOST = 4
"""Wholes that a scene can hold: each has a quarter of the picture to itself if need be."""

SWELL = 1.5
AXES = torch.tensor(
    [(0.30, 0.10), (0.22, 0.12), (0.18, 0.08), (0.14, 0.14), (0.26, 0.06)], dtype=torch.float64
)
"""Half axes of the five parts, before they swell, in the frame of their whole."""

REACH, APART = 0.75, 0.45
"""How far parts lie from the middle of their whole, along each axis, and from each other."""

SCALE_ALONE, SCALE = 0.75, 0.42
"""The size of a whole that has the picture to itself, and of one that has not."""

TRIES = 50

Shift: TypeAlias = Literal["none", "rotated", "crowded", "ambiguous", "noisy"]
"""In what scenes to report on may differ from those that were learnt from."""


@dataclass(frozen=True)
class Settings:
    """What scenes are like.

    Attributes:
        side: Pixels along each side.
        wholes: The least and the greatest number of wholes, at most `MOST`.
        rotation: The least and the greatest turn of a whole to either side, in radians.
        ambiguity: How much the axes and angles of parts stray; their places do not.
        removal: Chance that a whole lacks one of its parts.
        noise: Standard deviation of the noise on every pixel, in shares of white.
    """

    side: int = 32
    wholes: tuple[int, int] = (1, 2)
    rotation: tuple[float, float] = (0.0, math.pi / 6)
    ambiguity: float = 0.0
    removal: float = 0.0
    noise: float = 0.0

    def shifted(self, shift: Shift) -> "Settings":
        """Return these settings, outside of their distribution in one respect."""
        changes = {
            "none": {},
            "rotated": {"rotation": (math.pi / 6, math.pi / 3)},
            "crowded": {"wholes": (3, 3)},
            "ambiguous": {"ambiguity": 0.8},
            "noisy": {"noise": 0.3},
        }
        return replace(self, **changes[shift])


@dataclass(frozen=True)
class Ellipses:
    """The geometry of scenes: the parts of whole k are those from `5 k` on, in fixed order.

    Attributes:
        centres: `(B, P, 2)`.
        shapes: `(B, P, 2, 2)`: what makes the ellipse of the unit circle.
        present: `(B, P)`: which parts there are.
        classes: `(B, K)`: from 1; 0 where there is no such whole.
        boxes: `(B, K, 2, 2)`: upper left and lower right corner of each whole, had its parts
            not strayed and were none removed.
    """

    centres: Tensor
    shapes: Tensor
    present: Tensor
    classes: Tensor
    boxes: Tensor


@cache
def arrangements() -> tuple[Tensor, Tensor]:
    """Return centre `(class, 5, 2)` and angle `(class, 5)` of every class's parts."""
    centres, angles = [], []
    for kind in range(1, CLASSES + 1):
        tries = CellRNG(1000 + kind, 0, torch.arange(1024))
        drawn = tries.each("centres", 2 * PARTS).double().view(-1, PARTS, 2) * 2 - 1
        drawn = drawn * REACH
        gaps = torch.cdist(drawn, drawn) + torch.eye(PARTS) * 9
        first = int((gaps.amin(dim=(1, 2)) >= APART).int().argmax())
        centres.append(drawn[first])
        angles.append(tries.each("angles", PARTS)[first].double() * math.pi)
    return torch.stack(centres), torch.stack(angles)


def arrange(settings: Settings, random_seed: int, numbers: Tensor) -> Ellipses:
    """Return the geometry of the scenes of these numbers.

    Args:
        settings: What the scenes are like.
        random_seed: The data set's number.
        numbers: `(B,)`, int64, on the host.
    """
    source = CellRNG(random_seed, 0, numbers)
    low, high = settings.wholes
    count = low + (source.each("count") * (high - low + 1)).long()  # (B, 1)
    here = torch.arange(high) < count  # (B, K)
    kinds = source.bits("classes", CLASSES, (1,)).flatten(1).argsort(dim=1, stable=True)[:, :high]
    places, angles = arrangements()
    own = places[kinds]  # (B, K, 5, 2)
    poses = _poses(settings, source, here, own, _ellipse(AXES * SWELL, angles[kinds]))
    matrix, shift, boxes = poses
    shapes = _ellipse(*_stray(settings.ambiguity, source, angles[kinds]))
    return Ellipses(
        centres=(_transform(matrix, own) + shift.unsqueeze(2)).flatten(1, 2),
        shapes=(matrix.unsqueeze(2) @ shapes).flatten(1, 2),
        present=(here.unsqueeze(2) & _kept(settings.removal, source, high)).flatten(1),
        classes=(kinds + 1) * here,
        boxes=boxes,
    )


def _poses(
    settings: Settings, source: CellRNG, here: Tensor, own: Tensor, shapes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return matrix, shift and box of each whole: the first try whose boxes do not overlap."""
    high = here.shape[1]
    # one more try than there may be: where none fits, the last one is made to
    numbers = source.each("poses", (TRIES + 1) * high * 6).double()
    numbers = numbers.view(-1, TRIES + 1, high, 6)  # (B, T, K, 6)
    base = torch.where(here.sum(dim=1) == 1, SCALE_ALONE, SCALE)
    matrix = _matrices(settings.rotation, numbers[..., :4], base.double())
    centre = _transform(matrix, own.unsqueeze(1))  # (B, T, K, 5, 2)
    reach = (matrix.unsqueeze(3) @ shapes.unsqueeze(1)).square().sum(dim=-1).sqrt()
    least, most = (centre - reach).amin(dim=3), (centre + reach).amax(dim=3)  # (B, T, K, 2)
    shift = -1 - least + numbers[..., 4:] * (2 - (most - least))
    fits = _apart(least + shift, most + shift, here) & _inside(least, most, here)
    chosen = fits[:, :TRIES].int().argmax(dim=1)
    none = ~fits[:, :TRIES].any(dim=1)
    chosen = chosen.masked_fill(none, TRIES)
    row = torch.arange(len(chosen))
    matrix, shift, least, most = (t[row, chosen] for t in (matrix, shift, least, most))
    factor, moved = _quarter(source, here, least, most, numbers[:, TRIES, :, 4:])
    factor = torch.where(none[:, None], factor, 1.0)
    shift = torch.where(none[:, None, None], moved, shift)
    least, most = (t * factor.unsqueeze(-1) + shift for t in (least, most))
    return matrix * factor[..., None, None], shift, torch.stack([least, most], dim=2)


def _matrices(rotation: tuple[float, float], numbers: Tensor, base: Tensor) -> Tensor:
    """Return turn, scale, anisotropy and shear of wholes as one matrix, `(B, T, K, 2, 2)`."""
    signed = numbers * 2 - 1
    low, high = rotation
    side = torch.where(signed[..., 0] < 0, -1.0, 1.0)
    angle = side * (low + signed[..., 0].abs() * (high - low))
    scale = torch.exp(math.log(0.8) + numbers[..., 1] * math.log(1.15 / 0.8))
    wide, shear = torch.exp(0.1 * signed[..., 2]), 0.1 * signed[..., 3]
    across = torch.stack([wide, shear / wide], dim=-1)
    down = torch.stack([torch.zeros_like(wide), 1 / wide], dim=-1)
    return (
        _turn(angle)
        @ torch.stack([across, down], dim=-2)
        * (scale * base[:, None, None]).unsqueeze(-1).unsqueeze(-1)
    )


def _inside(least: Tensor, most: Tensor, here: Tensor) -> Tensor:
    small = (most - least <= 2).all(dim=-1)  # (B, T, K)
    return (small | ~here.unsqueeze(1)).all(dim=2)


def _apart(least: Tensor, most: Tensor, here: Tensor) -> Tensor:
    """Return in which tries no two boxes overlap, `(B, T)`."""
    apart = torch.ones(least.shape[:2], dtype=torch.bool)
    for one in range(here.shape[1]):
        for other in range(one):
            beside = (least[:, :, one] >= most[:, :, other]) | (
                most[:, :, one] <= least[:, :, other]
            )
            both = here[:, one] & here[:, other]
            apart &= beside.any(dim=-1) | ~both[:, None]
    return apart


def _quarter(
    source: CellRNG, here: Tensor, least: Tensor, most: Tensor, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """Return factor and shift that put each whole into a quarter of its own.

    A whole that is alone has all the picture.
    """
    high = here.shape[1]
    order = source.bits("quarters", 4, (1,)).flatten(1).argsort(dim=1, stable=True)[:, :high]
    corner = torch.stack([order % 2, order // 2], dim=-1).double() - 1  # (B, K, 2)
    alone = (here.sum(dim=1) == 1)[:, None]
    corner = torch.where(alone.unsqueeze(-1), -1.0, corner)
    room = torch.where(alone, 2.0, 1.0)  # (B, 1)
    factor = (room / (most - least).amax(dim=-1)).clamp(max=1)
    size = (most - least) * factor.unsqueeze(-1)
    free = room.unsqueeze(-1) - size
    return factor, corner - least * factor.unsqueeze(-1) + numbers * free


def _stray(ambiguity: float, source: CellRNG, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Return axes and angles of parts that are not what they were, but at most by a factor 2."""
    axes = (AXES * SWELL).expand(*angles.shape, 2)
    if not ambiguity:
        return axes, angles
    high = angles.shape[1]
    normal = source.normal("ambiguity", high * PARTS * 3, (1,)).double().view(-1, high, PARTS, 3)
    factor = torch.exp((ambiguity * normal[..., :2]).clamp(-math.log(2), math.log(2)))
    return axes * factor, angles + ambiguity * math.pi * normal[..., 2]


def _kept(removal: float, source: CellRNG, high: int) -> Tensor:
    """Return which parts are not removed, bool `(B, K, 5)`."""
    hit = source.chance("removal", removal, high, (1,))  # (B, K, 1)
    which = (source.each("removed", high) * PARTS).long().unsqueeze(-1)
    return ~(hit & (torch.arange(PARTS) == which))


def _turn(angle: Tensor) -> Tensor:
    cosine, sine = angle.cos(), angle.sin()
    rows = [torch.stack([cosine, -sine], dim=-1), torch.stack([sine, cosine], dim=-1)]
    return torch.stack(rows, dim=-2)


def _ellipse(axes: Tensor, angles: Tensor) -> Tensor:
    """Return what makes ellipses of the unit circle, `(..., 2, 2)`."""
    return _turn(angles) * axes.unsqueeze(-2)


def _transform(matrix: Tensor, points: Tensor) -> Tensor:
    """Return `(..., 5, 2)` points, moved by the `(..., 2, 2)` matrix of their whole."""
    return points @ matrix.mT


def ordered_pair(name: str, pair: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return a pair of numbers whose smaller one comes first.

    Raises:
        OptionError: It does not.
    """
    if pair[0] > pair[1]:
        to_do = f"give the smaller number first: {sorted(pair)}"
        raise OptionError([Fault((name,), f"is {list(pair)}", to_do)], "PartWhole(...)")
    return pair
