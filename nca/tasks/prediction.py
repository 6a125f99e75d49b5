"""What a task says of one picture: a row of a table, pictures beside it, and how sure it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

Value: TypeAlias = str | int | float
"""What stands in a cell of a table."""


@dataclass(frozen=True)
class Prediction:
    """What is said of one sample.

    Attributes:
        values: By column, the same columns for all samples; a mapping takes a column for each of
            its names.
        pictures: What is to be seen of it, by name, each uint8 `(1, height, width)`, whose numbers
            are kept exactly, or `(3, height, width)`.
        uncertainty: The greater, the less sure; None: it is not known.
        error: How wrong it is, where the truth is known, from 0 to 1.
    """

    values: Mapping[str, Value | Mapping[str, Value]]
    pictures: Mapping[str, Tensor] = field(default_factory=dict)
    uncertainty: float | None = None
    error: float | None = None
