"""Bounds of what a file of weights may say of itself, checked before memory is taken for it.

A checkpoint may come from anybody. Its header is read only if it is of a size that weights can
need; its metadata must be text that can be written again, flat, and in moderate number.
"""

import struct
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from annotated_types import Ge, Le, Len

from nca.jsonl import parse_json

HEADER = 16_000_000
"""Bytes that the header of a file may have; ours have some thousand."""

TENSORS, AXES, SIDE = 20_000, 16, 2**48
"""How many tensors a file may name, and what their shapes may be; the rest is safetensors' own."""

VALUES = 200_000
"""Of how many values the metadata may consist."""

LONGEST_NAME = 200

WHOLE = 2**63 - 1

Whole: TypeAlias = Annotated[int, Ge(-WHOLE), Le(WHOLE)]
Cell: TypeAlias = bool | Whole | float | str | None
Metrics: TypeAlias = dict[str, Cell | Annotated[list[dict[str, Cell]], Len(0, 100_000)]]
"""What was measured: rows of figures under the name of a split, or a remark."""


def header_fault(path: Path) -> str:
    """Return why the tensors of a safetensors file are not to be read; empty: they may be.

    Raises:
        OSError: The file cannot be read.
        ValueError: Its header is no JSON within bounds.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > HEADER:
            return f"its header claims {length:,} bytes"
        header = parse_json(file.read(length))
    named = header.items() if isinstance(header, dict) else ()
    shapes = {name: row.get("shape") for name, row in named if isinstance(row, dict)}
    shapes.pop("__metadata__", None)
    if len(shapes) > TENSORS:
        return f"it claims to hold {len(shapes):,} tensors"
    odd = next((name for name, shape in shapes.items() if not _shape(shape)), None)
    return "" if odd is None else f"its tensor {odd[:LONGEST_NAME]} has no shape"


def _shape(given: Any) -> bool:
    """Return whether something is a shape: a few axes of lengths that an index can count."""
    return (
        isinstance(given, list)
        and len(given) <= AXES
        and all(type(side) is int and 0 <= side <= SIDE for side in given)
    )
