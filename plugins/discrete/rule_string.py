"""What a rule string stands for: a table of successors on a neighbourhood, and perhaps a grid.

Each family of strings is a function of a text that returns a `RuleString`, None if the text is
none of its family, or raises a `RuleStringError` if it is, and faulty (`families` lists them).

Legend: S states, N neighbours, K columns of a table.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from nca import NCAError, TableTerm
from nca.types import Boundary, Size

Offset: TypeAlias = tuple[int, ...]

MOORE: tuple[Offset, ...] = tuple(
    (down, right)
    for down, right in itertools.product((-1, 0, 1), repeat=2)
    if (down, right) != (0, 0)
)
"""The eight cells around a cell, row by row."""

VON_NEUMANN = tuple(offset for offset in MOORE if 0 in offset)
"""The four cells that share an edge with it."""

HEXAGONAL = tuple(offset for offset in MOORE if sum(offset))
"""Six of the eight: on a hexagonal grid, sheared, those above right and below left are far away."""

MOST_STATES = 256

SHOWN = 120
"""Letters of a string that an error shows at most."""


class RuleStringError(NCAError):
    """A rule string is none that is known, or is faulty."""


@dataclass(frozen=True)
class BoundedGrid:
    """The grid that a suffix such as `:T30,20` asks for.

    Attributes:
        size: Cells along each axis.
        boundary: `torus`, or `zeros`: a plane with empty surroundings.
    """

    size: Size
    boundary: Boundary


@dataclass(frozen=True, eq=False)
class RuleString:
    """A rule as its string says it.

    Attributes:
        text: The string, without spaces.
        family: What such rules are called.
        term: The table.
        axes: Of the grids on which it runs.
        hexagonal: Whether the grid is a sheared hexagonal one.
        bounds: The grid that its suffix asks for, if it has one.
    """

    text: str
    family: str
    term: TableTerm
    axes: int = 2
    hexagonal: bool = False
    bounds: BoundedGrid | None = None

    @property
    def states(self) -> int:
        """How many states a cell has."""
        return self.term.states

    def same(self, other: "RuleString") -> bool:
        """Return whether two strings say the same rule, whatever their spelling."""
        ours, theirs = self.term, other.term
        return (
            ours.counted == theirs.counted
            and sorted(zip(ours.offsets, ours.weights, strict=True))
            == sorted(zip(theirs.offsets, theirs.weights, strict=True))
            and torch.equal(ours.successors, theirs.successors)
        )


Family: TypeAlias = Callable[[str], RuleString | None]
"""Reads the strings of one family; see the first lines of this module."""


def faulty(text: str, place: int, what: str, to_do: str) -> RuleStringError:
    """Return the refusal of a string.

    Args:
        text: The string.
        place: The character that is wrong, from 0; one behind the last: something is missing.
        what: What is wrong, as the end of a sentence that begins with the string.
        to_do: How such strings are written.
    """
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    where = f'character {place + 1} of "{shown}"' if place < len(text) else f'the end of "{shown}"'
    return RuleStringError(f'the rule "{shown}" {what}.', where=where, to_do=to_do)


def counting_table(
    offsets: Sequence[Offset], births: set[int], survivals: set[int], states: int = 2
) -> TableTerm:
    """Return the table of a rule that counts the neighbours in state 1.

    Args:
        offsets: Where the neighbours stand.
        births: Counts by which an empty cell is born.
        survivals: Counts by which a live cell stays alive.
        states: How many states a cell has; see `with_decay`.
    """
    successors = torch.zeros(2, len(offsets) + 1, dtype=torch.int64)
    for row, counts in enumerate((births, survivals)):
        successors[row, sorted(counts)] = 1
    return TableTerm(tuple(offsets), (1,) * len(offsets), with_decay(successors, states))


def arrangement_table(
    offsets: Sequence[Offset], births: Tensor, survivals: Tensor, states: int = 2
) -> TableTerm:
    """Return the table of a rule that tells all arrangements of neighbours in state 1 apart.

    Where the count alone decides, so does the table, which is a smaller one then.

    Args:
        offsets: Where the N neighbours stand; bit `N - 1 - n` of an arrangement is neighbour n.
        births: For each arrangement whether an empty cell is born, bool `(2 ** N)`.
        survivals: And whether a live cell stays alive.
        states: How many states a cell has; see `with_decay`.
    """
    count = len(offsets)
    rows = torch.stack([births, survivals]).long()
    counts = torch.tensor([number.bit_count() for number in range(1 << count)])
    by_count = torch.stack([rows[:, counts == n][:, 0] for n in range(count + 1)], dim=1)
    if torch.equal(by_count[:, counts], rows):
        return TableTerm(tuple(offsets), (1,) * count, with_decay(by_count, states))
    weights = tuple(1 << (count - 1 - n) for n in range(count))
    return TableTerm(tuple(offsets), weights, with_decay(rows, states))


def with_decay(successors: Tensor, states: int) -> Tensor:
    """Return a table of two states with more: what does not survive fades through all of them.

    Args:
        successors: `(2, K)`: 1 where a cell is born, or stays alive.
        states: S, at least 2. A live cell that dies takes state 2, then 3, and after S - 1 it is
            empty; only state 1 counts as a neighbour.

    Returns:
        `(S, K)`.
    """
    if states == 2:
        return successors
    faded = (torch.arange(2, states) + 1) % states
    dying = torch.where(successors[1:] == 1, 1, 2)
    return torch.cat([successors[:1], dying, faded[:, None].expand(-1, successors.shape[1])])


def checked_states(text: str, place: int, digits: str) -> int:
    """Return a number of states.

    Raises:
        RuleStringError: It is not from 2 to 256.
    """
    states = int(digits[:9])
    if not 2 <= states <= MOST_STATES:
        to_do = f"give 2 to {MOST_STATES}: B2/S/C3 has three"
        raise faulty(text, place, f"has {digits[:9]} as its number of states", to_do)
    return states
