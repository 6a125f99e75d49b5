"""Ways to hurt a state, drawn from counted randomness.

`disc` is what training does to the states of a pool; `Damage` is damage of a known shape, share
of the grid and place. Where levels differ in scale, a cell of a coarse one is emptied if all cells
of the grid that it spans are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from nca.engine.resample import mask_read
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.errors import ShapeError
from nca.types import Fraction, Size
from nca.validation.checked import Options
from nca.validation.faults import Fault, toml_value

Shape: TypeAlias = Literal["disc", "half", "scatter"]
"""Where damage lies; see `Damage`."""

SIDES = {"top": (-2, False), "bottom": (-2, True), "left": (-1, False), "right": (-1, True)}
"""The axis that a side lies on, and whether it is its far end."""

PLACES = {"disc": ("middle", "anywhere"), "half": tuple(SIDES), "scatter": ("anywhere",)}
"""Where damage of each shape may lie; the first is meant if none is named."""


def disc(state: State, source: CellRNG, levels: list[str]) -> State:
    """Empty a random disc in every sample, on the given levels.

    The grid spans -1 to 1 along each axis; the centre is drawn from -0.5 to 0.5 on each, the
    radius from 0.1 to 0.4 (Mordvintsev et al. 2020).

    Args:
        state: The state to damage.
        source: Where the numbers come from; one disc per sample.
        levels: The levels to empty.
    """
    draws = source.each("damage", state.axes + 1)  # (B, axes + 1)
    radius = 0.1 + 0.3 * draws[:, -1].view(-1, *(1,) * state.axes)
    squared: Tensor | float = 0.0
    for axis, side in enumerate(state.grid_size):
        line = torch.linspace(-1, 1, side, device=draws.device)
        line = line.view(-1, *(1,) * (state.axes - 1 - axis))
        centre = (draws[:, axis] - 0.5).view(-1, *(1,) * state.axes)
        squared = squared + (line - centre) ** 2
    outside = (torch.as_tensor(squared) >= radius**2).unsqueeze(1)  # (B, 1, *space)
    # of a coarser level what the disc covers wholly, so that all levels are cut at one place
    kept = {name: mask_read(outside, 1, state.scale(name)) for name in levels}
    return state.replace({name: state[name] * mask for name, mask in kept.items()})


@dataclass(frozen=True)
class Damage(Options):
    """Cells to be emptied: so large a share of the grid, in one shape and place.

    Attributes:
        shape: `disc`: the cells nearest to a point, across the edges of the grid too; `half`: a
            straight cut along one side; `scatter`: cells here and there.
        size: Share of the grid's cells, from 0 to 1. A straight cut takes whole lines.
        place: `middle` or `anywhere` for a disc, a side for a half; empty: the usual one.

    Raises:
        OptionError: There is no such shape or place, or no such share.
    """

    shape: Shape
    size: Fraction
    place: str = ""

    def __post_init__(self) -> None:
        """Refuse shapes, shares and places that do not exist; name the usual place."""
        super().__post_init__()
        if not self.place:
            object.__setattr__(self, "place", PLACES[self.shape][0])

    def conflicts(self) -> Iterator[Fault]:
        """Yield the fault of a place where damage of this shape cannot lie."""
        if self.place not in ("", *PLACES[self.shape]):
            to_do = f"place a {self.shape} {' or '.join(PLACES[self.shape])}"
            yield Fault(("place",), f"is {toml_value(self.place)}", to_do)

    @classmethod
    def parse(cls, text: str) -> "Damage":
        """Return what `SHAPE:SIZE` or `SHAPE:SIZE:PLACE` says.

        Raises:
            ShapeError: It is not written like that.
            OptionError: There is no such damage.
        """
        shape, _, rest = text.partition(":")
        size, _, place = rest.partition(":")
        try:
            share = float(size)
        except ValueError:
            raise ShapeError(
                f"{text!r} is no damage.",
                where="SHAPE:SIZE",
                to_do="write it like disc:0.2, half:0.5:left or scatter:0.3",
            ) from None
        return cls(shape, share, place)  # pyright: ignore[reportArgumentType]

    def __str__(self) -> str:
        """Return what it is, in words."""
        return f"{self.shape} {100 * self.size:g} %, {self.place}"

    def hurt(self, state: State, source: CellRNG, levels: list[str]) -> State:
        """Return the state with its cells emptied on the given levels.

        Args:
            state: The state to damage.
            source: Where random places come from.
            levels: The levels to empty.

        Raises:
            ShapeError: A top or bottom in a grid of one axis.
        """
        outside = ~self.hole(source, state.grid_size).unsqueeze(1)  # (B, 1, *space)
        kept = {}
        for name in levels:
            hole = ~mask_read(outside, 1, state.scale(name)).to(state[name].device)
            kept[name] = state[name].masked_fill(hole, 0)
        return state.replace(kept)

    def hole(self, source: CellRNG, size: Size) -> Tensor:
        """Return which cells are emptied, bool `(B, *space)`."""
        if self.shape == "half":
            return self._side(size).expand(len(source.samples), *size)
        if self.shape == "scatter":
            order = source.uniform("damage/scatter", 1, size).squeeze(1)
        else:
            order = self._away(source, size)
        ranks = order.flatten(1).argsort(dim=1, stable=True).argsort(dim=1)
        return (ranks < round(self.size * math.prod(size))).view(-1, *size)

    def _away(self, source: CellRNG, size: Size) -> Tensor:
        """Return how far each cell is from the middle of the disc, squared, `(B, *space)`."""
        axes = len(size)
        drawn = source.each("damage/place", axes) if self.place == "anywhere" else None
        away: Tensor | float = 0.0
        for axis, side in enumerate(size):
            line = torch.arange(side, device=source.samples.device)
            middle = torch.full_like(source.samples, side // 2)
            if drawn is not None:
                middle = (drawn[:, axis] * side).long()
            apart = (line - middle.unsqueeze(1)).abs()  # (B, side)
            apart = torch.minimum(apart, side - apart).square()
            away = away + apart.view(-1, *(side if i == axis else 1 for i in range(axes)))
        return torch.as_tensor(away)

    def _side(self, size: Size) -> Tensor:
        """Return the lines next to one side, bool, broadcast to `(1, *space)`."""
        axis, far = SIDES[self.place]
        if len(size) < -axis:
            raise ShapeError(
                "there is no such damage.",
                where=f"{self}",
                to_do="use left or right in a grid of one axis",
            )
        side = size[axis]
        line = torch.arange(side)
        line = (side - 1 - line) if far else line
        return (line < round(self.size * side)).view(-1, *(1,) * (-axis - 1)).unsqueeze(0)
