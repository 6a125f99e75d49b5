"""What the launches of a rollout are given, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nca.backends.triton.plan import LifePlan
from nca.backends.triton.step import ALIGNED, Weights, aligned, cells_of, field_rows, tile_of

MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class AliveCells:
    """Which cells live.

    Attributes:
        plan: What tells it.
        above: What a mature cell exceeds.
        frozen: Whether the dead keep what they hold; else they are cleared.
    """

    plan: LifePlan
    above: float
    frozen: bool


@dataclass(frozen=True)
class RolloutArguments:
    """What distinguishes one rollout from the next.

    Attributes:
        steps: How many; there is at least one.
        random_seed: The state's.
        step: The state's, before the first of these steps.
        samples: The state's, `(B,)`.
        fire_rate: Chance that a cell fires.
        size: Factor of every change.
        noise: Factor of the noise, where the plan names streams for it.
        life: Which cells live, or None: all do. The dead are cleared on the levels of the plan.
    """

    steps: int
    random_seed: int
    step: int
    samples: Tensor
    fire_rate: float
    size: float
    noise: float
    life: AliveCells | None

    @property
    def cleared(self) -> bool:
        """Whether the dead are cleared."""
        return self.life is not None and not self.life.frozen

    @property
    def counters(self) -> tuple[int, int, int]:
        """Random seed in two halves and first step, as int32 has them."""
        numbers = self.random_seed, self.random_seed >> 32, self.step
        low, high, step = map(signed, numbers)
        return low, high, step


@dataclass(frozen=True)
class RolloutInputs:
    """What all launches of a rollout are given.

    Attributes:
        weights: All weights.
        arguments: The rollout.
        rows: The fields before it, `(B, H, W, C)` each.
        samples: `(B,)`.
        clock: Random seed in two halves and first step, int32 `(3,)`, on the device.
    """

    weights: Weights
    arguments: RolloutArguments
    rows: tuple[Tensor, ...]
    samples: Tensor
    clock: Tensor

    @classmethod
    def of(
        cls, weights: Weights, arguments: RolloutArguments, fields: Sequence[Tensor]
    ) -> "RolloutInputs":
        """Return what launches are given.

        Args:
            weights: All weights.
            arguments: The rollout.
            fields: `(B, C, H, W)` each.
        """
        rows = [field_rows(field.detach()) for field in fields]
        for shown in weights.plan.shown:  # written with each step
            rows[shown.field] = torch.empty_like(rows[shown.source])
        samples = aligned(arguments.samples.contiguous())
        clock = samples.new_empty(3, dtype=torch.int32)
        for place, number in zip(clock.unbind(0), arguments.counters, strict=True):
            place.fill_(number)  # which waits for nothing, as a copy from the host would
        return cls(weights, arguments, tuple(rows), samples, clock)

    @property
    def sides(self) -> tuple[int, int, int]:
        """Cells of all samples, height and width."""
        count, size = cells_of(self.rows[0])
        return count, *size

    @property
    def count(self) -> int:
        """Cells of all samples."""
        return self.sides[0]

    def tiles(self, products: str | None = None) -> int:
        """Return how many tiles of rows there are, for products of a kind other than the usual."""
        return -(-self.count // (tile_of(products) if products else self.weights.tile))

    @property
    def level_fields(self) -> tuple[int, ...]:
        """Which of the fields each level of the plan is."""
        return tuple(level.field for level in self.weights.plan.levels)

    @property
    def levels(self) -> tuple[Tensor, ...]:
        """The levels of the plan before the rollout."""
        return tuple(self.rows[field] for field in self.level_fields)

    @property
    def draw(self) -> tuple[int, float]:
        """Chance to fire in 2^-24, and the factor of every change."""
        return round(self.arguments.fire_rate * (1 << 24)), float(self.arguments.size)

    @property
    def constants(self) -> dict[str, Any]:
        """The constants of all programs that compute a step or its gradient."""
        life = self.arguments.life
        return {
            "PLAN": self.weights.plan,
            "FIRE": self.arguments.fire_rate < 1,
            "FROZEN": life is not None and life.frozen,
            "CLEARED": self.arguments.cleared,
            "TILE": self.weights.tile,
            "PRODUCTS": self.weights.products,
        }

    def fields(
        self, levels: Sequence[Tensor] | None, shown: Sequence[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        """Return all fields.

        Args:
            levels: What the levels of the plan are; None: the first ones.
            shown: What is computed of them; none: where it is written first.
        """
        fields = list(self.rows)
        if levels is not None:
            for field, level in zip(self.level_fields, levels, strict=True):
                fields[field] = level
        for one, tensor in zip(self.weights.plan.shown, shown, strict=bool(shown)):
            fields[one.field] = tensor
        return tuple(fields)

    def kept(self) -> Tensor:
        """Return room for what the hidden units of deep nets sum up in one step."""
        return self.rows[0].new_empty(self.count * self.weights.plan.kept, dtype=self.low)

    @property
    def low(self) -> torch.dtype:
        """The dtype of what lies in memory between products."""
        return torch.bfloat16 if self.weights.products == "reduced" else torch.float32

    def masks(self, count: int) -> Tensor:
        """Return room for so many masks."""
        return room_for(self.rows[0], count, self.count, torch.uint8)


class RolloutHistory(NamedTuple):
    """What is kept of a rollout.

    Attributes:
        buffers: Each level of the plan before each step but the first, one row for each step,
            filled up to a multiple of `ALIGNED` bytes.
        masks: Which cells may change in a step or were kept after it, uint8, likewise; one row
            that says nothing where all cells live.
    """

    buffers: tuple[Tensor, ...]
    masks: Tensor

    @property
    def states(self) -> list[tuple[Tensor, ...]]:
        """The levels of the plan before each step but the first."""
        return list(zip(*(buffer.unbind(0) for buffer in self.buffers), strict=True))


def signed(number: int) -> int:
    """Return the lower 32 bits of a number as int32 has them."""
    number &= MASK
    return number - (1 << 32) if number >= 1 << 31 else number


def room_for(like: Tensor, rows: int, numbers: int, dtype: torch.dtype) -> Tensor:
    """Return room for so many rows of numbers, each of which begins aligned."""
    each = ALIGNED // dtype.itemsize
    return like.new_empty(rows, -(-numbers // each) * each, dtype=dtype)
