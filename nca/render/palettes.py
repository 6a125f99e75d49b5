"""Colours for classes, states and numbers, distinct also for those who see few colours.

The ten class colours are a project's choice in the spirit of Okabe and Ito (2008): hues and
lightness both differ between neighbours in the list. Where there are more classes, each further
colour is the one that differs most from all before it, in Oklab (Ottosson, 2020).

The colour maps for numbers are matplotlib's: viridis, magma and inferno by Smith and van der
Walt (2015), cividis by Nuñez, Anderton and Renslow (2018), and, for what comes round to where it
began, twilight. Equal steps of a number look equally large in them.
"""

from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from nca.errors import NCAError
from nca.suggest import did_you_mean

ColourMap: TypeAlias = Literal["viridis", "magma", "inferno", "cividis", "gray", "twilight"]
COLOUR_MAPS: tuple[str, ...] = get_args(ColourMap)
"""The names of colour maps: from dark to light, all but the last, which is cyclic."""

PAPER = torch.ones(3)
"""What lies under the cells of a picture."""
CONTRAST = 3.0
"""What WCAG 2.1 asks of graphics (1.4.11)."""

CLASS_COLOURS = torch.tensor(
    [
        [0.00, 0.27, 0.53],
        [0.90, 0.62, 0.00],
        [0.34, 0.71, 0.91],
        [0.00, 0.62, 0.45],
        [0.94, 0.89, 0.26],
        [0.52, 0.16, 0.42],
        [0.84, 0.37, 0.00],
        [0.80, 0.60, 0.75],
        [0.35, 0.35, 0.35],
        [0.55, 0.75, 0.40],
    ]
)

SEQUENTIAL = torch.tensor(
    [[0, 34, 78], [67, 78, 108], [125, 124, 120], [188, 175, 111], [254, 232, 56]]
)
"""From little to much, rising in lightness, safe for those who see few colours."""

DIVERGING = torch.tensor([[33, 102, 172], [247, 247, 247], [179, 88, 6]])
"""From negative over zero to positive."""


LIGHTNESS = (0.3, 0.93)
"""Of the further colours in Oklab, so that each is seen on white and on black."""
SHADES = 16
"""Values of red, green and blue among which the further colours are chosen."""


def class_colours(count: int) -> Tensor:
    """Return colours for so many classes, as distinct as can be, `(count, 3)`, from 0 to 1.

    The first ones are the same for every count. Beyond those that can be chosen among, they repeat.
    """
    few = len(CLASS_COLOURS)
    found = CLASS_COLOURS if count <= few else _spread_colours(count - few)
    return found.repeat(-(-count // len(found)), 1)[:count]


@lru_cache(maxsize=8)
def _spread_colours(more: int) -> Tensor:
    """Return the class colours, and so many more."""
    shades = torch.linspace(0, 1, SHADES)
    choice = torch.cartesian_prod(shades, shades, shades)
    light = _oklab(choice)[:, 0]
    choice = choice[(light > LIGHTNESS[0]) & (light < LIGHTNESS[1])]
    places = _oklab(choice)
    away = torch.cdist(places, _oklab(CLASS_COLOURS)).amin(dim=1)
    found = []
    for _ in range(min(more, len(choice))):
        best = int(away.argmax())
        found.append(choice[best])
        away = torch.minimum(away, (places - places[best]).norm(dim=1))
    return torch.cat([CLASS_COLOURS, torch.stack(found)])


def _oklab(colours: Tensor) -> Tensor:
    """Return sRGB colours `(K, 3)` in a space in which distances are as large as they look."""
    linear = torch.where(colours > 0.04045, ((colours + 0.055) / 1.055) ** 2.4, colours / 12.92)
    cones = (linear @ linear.new_tensor(TO_CONES).T).clamp(min=0) ** (1 / 3)
    return cones @ linear.new_tensor(TO_LAB).T


TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def paint(chosen: Tensor, colours: Tensor) -> Tensor:
    """Return each cell in the colour of its class, `(B, 3, *space)`, from 0 to 1.

    Args:
        chosen: Class of each cell, int64 `(B, *space)`; colours repeat beyond the last.
        colours: `(K, 3)`.
    """
    return colours.to(chosen.device)[chosen % len(colours)].movedim(-1, 1)


@lru_cache(maxsize=16)
def colour_map(name: str) -> Tensor:
    """Return a colour map from its low end to its high one, `(256, 3)`, from 0 to 1.

    Raises:
        NCAError: There is none of that name.
    """
    if name not in COLOUR_MAPS:
        raise NCAError(
            f"there is no colour map {name[:40]!r}.",
            where=f"colour maps: {', '.join(COLOUR_MAPS)}",
            to_do=f"{did_you_mean(name, COLOUR_MAPS)}choose one of these",
        )
    from matplotlib import colormaps  # which takes its time to import

    return torch.from_numpy(colormaps[name](np.linspace(0, 1, 256))[:, :3]).float()


def map_colours(values: Tensor, table: Tensor, low: float, high: float) -> Tensor:
    """Return numbers in the colours of a map, `(B, 3, *space)`, from 0 to 1; NaN is the low end.

    Args:
        values: `(B, *space)`.
        table: `(K, 3)`, see `colour_map`.
        low: What has the first colour, as has all below.
        high: What has the last colour, as has all above.
    """
    share = ((values.float() - low) / (high - low)).nan_to_num(0, 1, 0).clamp(0, 1)
    return paint((share * (len(table) - 1)).round().long(), table)


def state_palette(count: int, paper: Tensor = PAPER) -> Tensor:
    """Return colours for the states of a cell, `(count, 3)`: state 0 is background.

    Args:
        count: How many states there are.
        paper: The colour of the background, `(3)`; all others are seen on it.
    """
    others = class_colours(max(count - 1, 1))[: count - 1]
    others = legible(others, paper) if paper.mean() < 0.5 else others
    return torch.cat([paper.view(1, 3), others])


def colour_contrast(colours: Tensor, paper: Tensor) -> Tensor:
    """Return the contrast of sRGB colours `(K, 3)` with paper `(3)`, from 1 to 21 (WCAG 2.1)."""
    luminances = []
    for given in (colours, paper):
        linear = torch.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
        luminances.append(linear @ torch.tensor([0.2126, 0.7152, 0.0722]) + 0.05)
    ratio = luminances[0] / luminances[1]
    return torch.maximum(ratio, 1 / ratio)


def legible(colours: Tensor, paper: Tensor) -> Tensor:
    """Return colours `(K, 3)` with as little white as lets each be seen on dark paper `(3)`."""
    seen = colours
    for white in torch.linspace(0, 1, 21):
        faint = colour_contrast(seen, paper) < CONTRAST
        seen = torch.where(faint.unsqueeze(1), colours.lerp(torch.ones(()), white), seen)
    return seen


def ramp(values: Tensor, stops: Tensor) -> Tensor:
    """Return values from 0 to 1, `(H, W)`, in colours between stops, `(3, H, W)`."""
    place = values.clamp(0, 1).nan_to_num(0) * (len(stops) - 1)
    below = place.floor().long().clamp(max=len(stops) - 2)
    share = (place - below).unsqueeze(-1)
    colours = torch.lerp(stops[below].float(), stops[below + 1].float(), share.float())
    return (colours / 255).movedim(-1, 0)


def ceiling(values: Tensor) -> float:
    """Return the power of two above almost all magnitudes: a scale that seldom jumps."""
    high = values.abs().nan_to_num(0, 0, 0).flatten().cpu().double().quantile(0.98).item()
    return 2.0 ** torch.tensor(max(high, 1e-6)).log2().ceil().item()
