"""Levels, and their layout: which there are, bottom level first."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nca.engine.capacity import refuse_beyond
from nca.engine.state import AXES, State, no_level
from nca.errors import ShapeError
from nca.types import Channels, LevelName, Size
from nca.validation.checked import Options


@dataclass(frozen=True)
class Level(Options):
    """One level of the automaton.

    Args:
        name: What rules and recipes call it.
        channels: Numbers that each cell holds at this level.
        input: Whether it holds the input: then nothing ever writes to it.
    """

    name: LevelName
    channels: Channels
    input: bool = False


class Layout(Mapping[str, Level]):
    """Which levels there are, bottom level first.

    Args:
        levels: The levels, from the bottom up.

    Raises:
        ShapeError: No level, or a name given twice.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        names = [level.name for level in levels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not levels or twice:
            raise ShapeError(
                f"two levels are named {twice[0]!r}." if twice else "a layout needs a level.",
                where=f"Layout({names})",
                to_do="give every level a name of its own",
            )
        self._levels = {level.name: level for level in levels}

    def __getitem__(self, name: str) -> Level:
        """Return the level of that name.

        Raises:
            ShapeError: There is no such level.
        """
        if name not in self._levels:
            raise no_level(name, self._levels, "the layout")
        return self._levels[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the level of that name, or the default."""
        return self._levels.get(name, default)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, bottom level first."""
        return iter(self._levels)

    def __len__(self) -> int:
        """Return how many levels there are."""
        return len(self._levels)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a level of that name."""
        return name in self._levels

    def __eq__(self, other: object) -> bool:
        """Tell whether the levels are the same, in the same order."""
        return isinstance(other, Layout) and [*self.values()] == [*other.values()]

    def __hash__(self) -> int:
        """Return a hash, so that a place can have one."""
        return hash(tuple(self.values()))

    def __repr__(self) -> str:
        """Return the levels as Python would build them."""
        return f"Layout({list(self._levels.values())})"

    def beside(self, name: str, offset: int) -> Level | None:
        """Return the level `offset` places above (negative: below) `name`, or None."""
        names = list(self._levels)
        place = names.index(self[name].name) + offset
        return self._levels[names[place]] if 0 <= place < len(names) else None

    def zeros(
        self,
        batch: int,
        size: Size,
        *,
        random_seed: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> State:
        """Return an empty state of `batch` samples on a grid of `size` cells.

        Raises:
            ShapeError: It takes more memory than there is in all.
        """
        where, kind = torch.device(device or "cpu"), dtype or torch.get_default_dtype()
        channels = sum(level.channels for level in self.values())
        words = f"a state of {batch:,} samples, {channels:,} channels and {list(size)} cells"
        count = batch * channels * math.prod(size) * kind.itemsize
        refuse_beyond(count, where, words, "make it smaller: samples, channels or cells")
        return State(
            {
                level.name: torch.zeros(batch, level.channels, *size, device=device, dtype=dtype)
                for level in self.values()
            },
            random_seed=random_seed,
        )

    def check(self, state: State, where: str) -> None:
        """Refuse a state that does not fit this layout.

        Raises:
            ShapeError: A missing or unexpected level, or another number of channels.
        """
        missing, unexpected = set(self) - set(state), set(state) - set(self)
        if missing or unexpected:
            raise ShapeError(
                f"the state's levels are {', '.join(state)}, but the layout's {', '.join(self)}.",
                where=where,
                to_do="make the state with automaton.seed(batch, size)",
            )
        for name, level in self.items():
            if state[name].shape[1] != level.channels:
                shape = tuple(state[name].shape)
                raise ShapeError(
                    f'level "{name}" has {shape[1]} channels in this state, '
                    f"but {level.channels} in the layout.",
                    where=f'{where}, state["{name}"] is {shape} = '
                    f"(batch, channel, {AXES[len(shape)]})",
                    to_do="make the state with automaton.seed(batch, size), or give the level "
                    f"{shape[1]} channels and train again.",
                )
