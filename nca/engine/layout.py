"""Levels, and their layout: which there are, bottom level first."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nca.engine.capacity import refuse_beyond
from nca.engine.resample import Coarsen, Refine, Resampling, size_at
from nca.engine.state import AXES, State, no_level
from nca.errors import ShapeError
from nca.types import Channels, LevelName, Scale, Size
from nca.validation.checked import Options


@dataclass(frozen=True)
class Level(Options):
    """One level of the automaton.

    Args:
        name: What rules and recipes call it.
        channels: Numbers that each cell holds at this level.
        input: Whether it holds the input: then nothing ever writes to it.
        scale: Cells of the grid that one of its cells spans along each axis, a power of two.
        coarsen: What its rules read of a finer level: the `mean` of the cells that a cell covers,
            the `max` of each channel in them, or all of them as a `stack` of channels, so that
            nothing is lost.
        refine: What its rules read of a coarser level: the `nearest` cell, which is the one that
            covers theirs, or a `bilinear` mean of it and those beside it.
    """

    name: LevelName
    channels: Channels
    input: bool = False
    scale: Scale = 1
    coarsen: Coarsen = "mean"
    refine: Refine = "nearest"

    @property
    def resampling(self) -> Resampling:
        """How its rules read levels of other resolution."""
        return Resampling(self.scale, self.coarsen, self.refine)


class Layout(Mapping[str, Level]):
    """Which levels there are, bottom level first.

    Args:
        levels: The levels, from the bottom up.

    Raises:
        ShapeError: No level, a name given twice, or none of scale 1.
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
        if all(level.scale > 1 for level in levels):
            raise ShapeError(
                "no level has scale 1, in whose cells the size of a grid is counted.",
                where=f"scales: {', '.join(f'{one.name} {one.scale}' for one in levels)}",
                to_do="give the finest level scale 1",
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

    @property
    def coarsest(self) -> int:
        """The largest scale of a level: parts of a grid begin and end at multiples of it."""
        return max(level.scale for level in self.values())

    def scales_differ(self) -> str:
        """Return in words how levels differ in scale, as the end of a sentence; empty: not."""
        if self.coarsest == 1:
            return ""
        coarse = [f'"{one.name}" {one.scale}' for one in self.values() if one.scale > 1]
        return f"its levels differ in scale: {', '.join(coarse)}"

    def sizes(self, size: Size) -> dict[str, Size]:
        """Return the cells of each level along each axis, for a grid of `size` cells.

        Raises:
            ShapeError: The grid is not divisible by a scale.
        """
        size_at(size, self.coarsest)
        return {name: size_at(size, level.scale) for name, level in self.items()}

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
            ShapeError: It takes more memory than there is in all, or the grid is not divisible by
                the scale of a level.
        """
        where, kind = torch.device(device or "cpu"), dtype or torch.get_default_dtype()
        sizes = self.sizes(size)
        channels = sum(level.channels for level in self.values())
        words = f"a state of {batch:,} samples, {channels:,} channels and {list(size)} cells"
        numbers = sum(one.channels * math.prod(sizes[one.name]) for one in self.values())
        count = batch * numbers * kind.itemsize
        refuse_beyond(count, where, words, "make it smaller: samples, channels or cells")
        return State(
            {
                name: torch.zeros(batch, level.channels, *sizes[name], device=device, dtype=dtype)
                for name, level in self.items()
            },
            random_seed=random_seed,
        )

    def check(self, state: State, where: str) -> None:
        """Refuse a state that does not fit this layout.

        Raises:
            ShapeError: A missing or unexpected level, another number of channels, or levels whose
                sizes do not agree.
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
        sizes = self.sizes(state.grid_size)
        for name, size in sizes.items():
            if state.size(name) != size:
                raise ShapeError(
                    f'level "{name}" has {state.size(name)} cells in this state, but a grid of '
                    f"{state.grid_size} has {size} of scale {self[name].scale}.",
                    where=where,
                    to_do="make the state with automaton.seed(batch, size)",
                )
