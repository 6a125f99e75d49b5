"""Say a shape or a range once.

Legend of all shape comments: `B` batch, `C` channel, `D` depth, `H` height, `W` width,
`N` neighbour, `*space` the one, two or three axes of the grid.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

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


def _power_of_two(scale: int) -> int:
    if scale & (scale - 1):
        raise PydanticCustomError("recipe", "a power of two: 1, 2, 4, ...")
    return scale


Scale: TypeAlias = Annotated[int, Ge(1), Le(1 << 10), AfterValidator(_power_of_two)]
"""Cells of the grid that one cell of a level spans along each axis: a power of two."""

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

PICTURES = (
    ".apng",
    ".avif",
    ".avifs",
    ".bmp",
    ".dib",
    ".eps",
    ".gif",
    ".heic",
    ".heif",
    ".ico",
    ".jfif",
    ".jp2",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pdf",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".ps",
    ".psd",
    ".svg",
    ".tif",
    ".tiff",
    ".webp",
    ".xcf",
)
"""How the names of picture files end, those included that are refused."""


@dataclass(frozen=True)
class OutsideFile:
    """Mark of an option that names a file: where it lies depends on where it was written.

    Attributes:
        or_name: Whether a registered name may stand there instead, `NAME` or `NAME:ARGUMENT`.
        endings: What marks a path where a name may stand, too.
        stays: Whether it stays where it is: a run keeps no copy, and remembers its place instead.
    """

    or_name: bool = False
    endings: tuple[str, ...] = ()
    stays: bool = False

    def is_path(self, text: str) -> bool:
        """Return whether a text is a path, whatever files there are."""
        name = text.partition(":")[0]
        drive = len(name) == 1 and text[1:3] in (":\\", ":/")
        marked = drive or "/" in name or "\\" in name or text.lower().endswith(self.endings)
        return marked or not self.or_name


FilePath: TypeAlias = Annotated[str, Len(1), OutsideFile()]
"""A file; relative to the recipe, or, on the command line, to where it was typed."""

CheckpointSource: TypeAlias = Annotated[
    str, Len(1), OutsideFile(or_name=True, endings=(".safetensors",))
]
"""A checkpoint's file as of `FilePath`, a run's folder, or the name of an installed checkpoint."""

PictureSpec: TypeAlias = Annotated[str, Len(1), OutsideFile(or_name=True, endings=PICTURES)]
"""A picture's file as of `FilePath`, or a registered target: `NAME` or `NAME:ARGUMENT`."""

DataPath: TypeAlias = Annotated[str, Len(1), OutsideFile(stays=True)]
"""A file or folder of data, relative as a `FilePath` is; a run remembers its place, and no copy."""


@dataclass(frozen=True)
class NamedPlugin:
    """Mark of an option that names a plugin: a name alone, or a table of a name and its options.

    Attributes:
        kind: `dataset`, `target` or `rule`.
    """

    kind: Literal["dataset", "target", "rule"]

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Mark the schema, in which that of a recipe puts the tables that there are."""
        return {**handler(core), "x-plugin": self.kind}


DatasetSpec: TypeAlias = Annotated[Name | dict[str, Any], NamedPlugin("dataset")]
"""A registered data set: `"NAME"`, or `{ name = "NAME", ... }` with its options."""

TargetSpec: TypeAlias = Annotated[PictureSpec | dict[str, Any], NamedPlugin("target")]
"""A `PictureSpec`, or a registered target with its options: `{ name = "NAME", ... }`."""

RuleSpec: TypeAlias = Annotated[Name | dict[str, Any], NamedPlugin("rule")]
"""A registered update rule: `"NAME"`, or `{ name = "NAME", ... }` with its options."""
