"""Say a shape or a range once.

Legend of all shape comments: `B` batch, `C` channel, `D` depth, `H` height, `W` width,
`N` neighbour, `*space` the one, two or three axes of the grid.
"""

from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import Field

Size: TypeAlias = tuple[int, ...]
"""Cells along each axis of the grid: `(width,)`, `(height, width)` or `(depth, height, width)`."""

Count: TypeAlias = Annotated[int, Ge(1), Le(10**9)]
"""How many, at least one."""

Natural: TypeAlias = Annotated[int, Ge(0), Le(10**9)]
"""How many, perhaps none."""

RandomSeed: TypeAlias = Annotated[int, Ge(0)]
"""A number that randomness follows from."""

Channels: TypeAlias = Annotated[int, Ge(1), Le(1 << 16)]
"""Numbers that a cell holds at one level."""

Units: TypeAlias = Annotated[int, Ge(1), Le(1 << 16)]
"""Units of a layer."""

Side: TypeAlias = Annotated[int, Ge(1), Le(10**6)]
"""Cells along one axis."""

PictureSide: TypeAlias = Annotated[int, Ge(1), Le(1 << 13)]
"""Cells or pixels along one side of a picture."""

Radius: TypeAlias = Annotated[int, Ge(0), Le(10**4)]
"""How many cells away, along any axis."""

Steps: TypeAlias = Annotated[int, Ge(1), Le(10**6)]
"""Steps of a rollout."""

Iterations: TypeAlias = Annotated[int, Ge(1), Le(10**8)]
"""Updates of the weights."""

Samples: TypeAlias = Annotated[int, Ge(1), Le(10**7)]
"""Samples that are in memory at a time."""

Positive: TypeAlias = Annotated[float, Gt(0)]
"""A number above zero."""

NonNegative: TypeAlias = Annotated[float, Ge(0)]
"""A number that is not below zero."""

Fraction: TypeAlias = Annotated[float, Ge(0), Le(1)]
"""A share or a chance, from 0 to 1."""

ProperFraction: TypeAlias = Annotated[float, Ge(0), Lt(1)]
"""A share that is never the whole, from 0 to below 1."""

Name: TypeAlias = Annotated[str, Len(1)]
"""A word that is not empty."""

LevelName: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="letters, digits and _, not beginning with a digit",
    ),
]
"""What a level may be called."""

Boundary: TypeAlias = Literal["torus", "zeros", "reflect", "replicate"]
"""What lies beyond the last cell of an axis."""

Split: TypeAlias = Literal["train", "held_out", "test"]
"""Which part of the data: to learn from, to choose by, or to report on."""
