"""The state of a grid: one tensor per level, bottom level first.

A state also carries the counters of its randomness (random seed, step, sample numbers), so that
stepping is a function of weights and state alone, and whatever the automaton remembers for its
temporal skip connections.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from nca.engine.rng import CellRNG
from nca.engine.thumbnail import thumbnail
from nca.engine.window import Window
from nca.errors import ShapeError
from nca.suggest import did_you_mean
from nca.types import Size

AXES = {3: "width", 4: "height, width", 5: "depth, height, width"}


@dataclass(frozen=True, eq=False, repr=False)
class State(Mapping[str, Tensor]):
    """The tensors of all levels, with the counters of their randomness.

    Args:
        levels: `(B, C, *space)` by level name, bottom level first.
        random_seed: The number from which all of its randomness follows.
        step: How many steps it has taken.
        samples: `(B,)`, int64: each sample's own number; 0, 1, 2, ... unless given.
        remembered: One set of levels for each temporal skip connection, or nothing yet.
        window: Where its cells lie in a whole grid, if they are not all of it; counted in cells of
            scale 1, of which a cell of a coarser level spans several.

    Raises:
        ShapeError: No level, or tensors that disagree about batch or number of axes.
    """

    levels: Mapping[str, Tensor]
    random_seed: int = 0
    step: int = 0
    samples: Tensor = field(default=None)  # pyright: ignore[reportAssignmentType]
    remembered: tuple[Mapping[str, Tensor], ...] = ()
    window: Window | None = None

    def __post_init__(self) -> None:
        """Number the samples and check that the levels agree."""
        if self.samples is not None and torch.compiler.is_exporting():
            return  # shapes are symbols, which a comparison would turn into numbers
        shapes = {name: tuple(tensor.shape) for name, tensor in self.levels.items()}
        kinds = {(shape[:1], len(shape)) for shape in shapes.values()}
        if len(kinds) != 1 or next(iter(kinds))[1] not in AXES:
            raise ShapeError(
                "the levels of a state share one batch and have one, two or three axes of space.",
                where=f"State with {shapes or 'no level'}",
                to_do="give every level the shape (batch, channel, *space)",
            )
        if self.samples is None:
            tensor = next(iter(self.levels.values()))
            numbers = torch.arange(tensor.shape[0], device=tensor.device)
            object.__setattr__(self, "samples", numbers)

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor of a level.

        Raises:
            ShapeError: There is no such level.
        """
        if name not in self.levels:
            raise no_level(name, self.levels, "the state")
        return self.levels[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the tensor of a level, or the default."""
        return self.levels.get(name, default)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a level of that name."""
        return name in self.levels

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, bottom level first."""
        return iter(self.levels)

    def __len__(self) -> int:
        """Return how many levels there are."""
        return len(self.levels)

    def __eq__(self, other: object) -> bool:
        """Tell whether all levels hold the same bits; the counters are not compared."""
        if not isinstance(other, State) or set(self) != set(other):
            return False
        return all(torch.equal(self[name], other[name]) for name in self)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        """Return names and shapes instead of numbers."""
        levels = ", ".join(f"{name}: {tuple(tensor.shape)}" for name, tensor in self.items())
        return f"State({levels}; random_seed={self.random_seed}, step={self.step})"

    def _repr_html_(self) -> str:
        """Return it as a notebook shows it: shape, range and first sample of each level."""
        rows = "".join(thumbnail(name, level) for name, level in self.items())
        counters = f"step {self.step}, random seed {self.random_seed}"
        return f"<table><caption>State, {counters}</caption>{rows}</table>"

    @property
    def batch(self) -> int:
        """How many samples there are."""
        return self.samples.shape[0]

    @property
    def axes(self) -> int:
        """How many axes the grid has."""
        return next(iter(self.levels.values())).ndim - 2

    @property
    def rng(self) -> CellRNG:
        """The randomness of the step that comes next."""
        return CellRNG(self.random_seed, self.step, self.samples, window=self.window)

    def size(self, name: str) -> Size:
        """Return the cells of a level along each axis."""
        return tuple(self[name].shape[2:])

    @property
    def grid_size(self) -> Size:
        """The cells of the grid along each axis: those of the levels of scale 1, the finest."""
        return max(self.size(name) for name in self.levels)

    def scale(self, name: str) -> int:
        """Return how many cells of the grid a cell of a level spans along each axis."""
        return self.grid_size[0] // self.size(name)[0]

    def rng_of(self, name: str) -> CellRNG:
        """Return the randomness of the step that comes next, for the cells of a level."""
        return self.rng.at_scale(self.scale(name)) if self.window else self.rng

    def replace(self, levels: Mapping[str, Tensor] | None = None, **others: Any) -> Self:
        """Return the state with some levels, or other attributes, replaced."""
        merged = {**self.levels, **(levels or {})}
        kept = {
            "random_seed": self.random_seed,
            "step": self.step,
            "samples": self.samples,
            "remembered": self.remembered,
            "window": self.window,
        }
        return type(self)(merged, **{**kept, **others})

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the state with `function` applied to every level, remembered ones too."""
        remembered = tuple({n: function(t) for n, t in old.items()} for old in self.remembered)
        changed = {name: function(tensor) for name, tensor in self.items()}
        return self.replace(changed, remembered=remembered)

    def detach(self) -> Self:
        """Return the state cut off from the gradients of its past."""
        return self.map(Tensor.detach)

    def clone(self) -> Self:
        """Return a copy that shares no memory with the state."""
        return self.map(Tensor.clone)

    def to(self, target: torch.device | torch.dtype | str) -> Self:
        """Return the state on another device or in another dtype."""
        moved = self.map(lambda tensor: tensor.to(target))
        device = None if isinstance(target, torch.dtype) else target
        return moved.replace(samples=self.samples.to(device))

    def select(self, index: Tensor | slice) -> Self:
        """Return some of the samples, in the order of `index`."""
        return self.map(lambda tensor: tensor[index]).replace(samples=self.samples[index])

    def where(self, chosen: Tensor, other: "State") -> Self:
        """Return this state where a sample is chosen, and the levels of the other one elsewhere.

        Args:
            chosen: `(B,)`, bool.
            other: A state of the same samples; the counters stay those of this one.
        """

        def pick(own: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> dict[str, Tensor]:
            chosen_of = {n: chosen.view(-1, *(1,) * (t.ndim - 1)) for n, t in own.items()}
            return {n: torch.where(chosen_of[n], t, others[n]) for n, t in own.items()}

        memories = zip(self.remembered, other.remembered or self.remembered, strict=True)
        remembered = tuple(pick(own, old) for own, old in memories)
        return self.replace(pick(self.levels, other.levels), remembered=remembered)

    def restart(self, random_seed: int, samples: Tensor) -> Self:
        """Return the same levels at step 0, with nothing remembered and new sample numbers."""
        return self.replace(
            random_seed=random_seed, step=0, samples=samples.to(self.samples.device), remembered=()
        )

    @classmethod
    def cat(cls, states: Sequence["State"]) -> "State":
        """Return the samples of several states as one; counters are those of the first."""
        first = states[0]
        levels = {name: torch.cat([state[name] for state in states]) for name in first}
        memories = zip(*(state.remembered for state in states), strict=True)
        remembered = tuple({n: torch.cat([m[n] for m in old]) for n in old[0]} for old in memories)
        samples = torch.cat([state.samples for state in states])
        return first.replace(levels, samples=samples, remembered=remembered)


def no_level(name: object, levels: Collection[str], whose: str) -> ShapeError:
    """Return the error of asking for a level that is not there."""
    return ShapeError(
        f"there is no level {name!r}.",
        where=f"levels: {', '.join(levels)}",
        to_do=f"{did_you_mean(str(name), levels)}name one of these, or add the level to {whose}",
    )


def _flatten(state: State) -> tuple[list[Any], tuple[int, int, Window | None]]:
    tensors = [dict(state.levels), state.samples, [dict(old) for old in state.remembered]]
    return tensors, (state.random_seed, state.step, state.window)


def _unflatten(tensors: Any, counters: Any) -> State:
    # transformations put objects that are no tensors into a tree, so nothing is checked here
    levels, samples, remembered = tensors
    state = object.__new__(State)
    parts = zip(
        ("levels", "random_seed", "step", "window", "samples", "remembered"),
        (levels, *counters, samples, tuple(remembered)),
        strict=True,
    )
    for name, part in parts:
        object.__setattr__(state, name, part)
    return state


pytree.register_pytree_node(State, _flatten, _unflatten)
