"""The launches of a rollout and of its gradient, on memory that is allocated before the first.

Nothing is allocated and nothing waits while launches follow each other, so that they can be
recorded once and replayed (`nca.backends.triton.graphs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nca.backends.triton.launch import Launch
from nca.backends.triton.plan import LifePlan, Target, Targets, power, targets, units
from nca.backends.triton.step import (
    ALIGNED,
    Weights,
    aligned,
    cells_of,
    field_rows,
    program_options,
)

MASK = 0xFFFFFFFF

PROGRAMS = 264
"""Programs that share the sums over all cells, at most; each writes a part of them.

Twice the multiprocessors of an H100. It is a constant, so that sums have the same bits whatever
card computes them.
"""

CLEARING_TILE = 64
"""Rows that a program which clears the dead holds at once."""

SQUASHING_TILE = 1024
"""Numbers that a program which squashes levels holds at once."""


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
        for shown in weights.plan.shown:  # written before each step
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

    @property
    def tiles(self) -> int:
        """How many tiles of rows there are."""
        return -(-self.count // self.weights.tile)

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

    def fields(self, levels: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        """Return all fields, where the levels of the plan are these; None: the first ones."""
        return self.rows if levels is None else self.with_levels(levels)

    def with_levels(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return all fields, where the levels of the plan are these."""
        fields = list(self.rows)
        for field, level in zip(self.level_fields, levels, strict=True):
            fields[field] = level
        return tuple(fields)

    def masks(self, count: int) -> Tensor:
        """Return room for so many masks."""
        return _room(self.rows[0], count, self.count, torch.uint8)


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


class ForwardLaunches:
    """All steps of a rollout.

    Args:
        inputs: What they are given.
        keep: Whether their gradient will be asked for; else two states are enough.

    Attributes:
        history: What is kept.
        ends: The levels of the plan after the last step, `(B, H, W, C)` each.
    """

    def __init__(self, inputs: RolloutInputs, *, keep: bool) -> None:
        self.inputs = inputs
        steps, first = inputs.arguments.steps, inputs.levels
        rows = steps - 1 if keep else min(steps - 1, 2)
        buffers = tuple(_room(like, rows, like.numel(), like.dtype) for like in first)
        masks = inputs.masks(steps if keep and inputs.arguments.life else 1)
        self.history = RolloutHistory(buffers, masks)
        self.ends = tuple(map(torch.empty_like, first))
        between = self.history.states
        self._outs = [between[number % rows] for number in range(steps - 1)] + [self.ends]
        self._masks = masks.unbind(0)
        self._squash, self._step = _Squashing(inputs), _Step(inputs)

    def __call__(self) -> None:
        """Launch them, one after the other."""
        levels, masks = None, self._masks
        with torch.cuda.device_of(self.inputs.rows[0]):
            for number, outs in enumerate(self._outs):
                fields = self.inputs.fields(levels)
                self._squash(fields)
                self._step(number, fields, outs, masks[number % len(masks)])
                levels = outs


class _Squashing:
    """What is computed of the levels before each step: one launch, or none."""

    def __init__(self, inputs: RolloutInputs) -> None:
        from nca.backends.triton.squash import squash_levels

        shown = inputs.weights.plan.shown
        self._sources = [one.source for one in shown]
        self._outs = tuple(inputs.rows[one.field] for one in shown)
        self._count = inputs.count
        most = max((out.numel() for out in self._outs), default=0)
        self._launch = Launch(
            squash_levels,
            (-(-most // SQUASHING_TILE), len(shown), 1),
            {"PLAN": inputs.weights.plan, "TILE": SQUASHING_TILE},
            num_warps=4,
        )

    def __call__(self, fields: tuple[Tensor, ...]) -> None:
        """Write what nets read of these levels."""
        if self._outs:
            sources = tuple(fields[source] for source in self._sources)
            self._launch(sources, self._outs, self._count)


class _Step:
    """One step after the other: a launch, and another where the dead are cleared."""

    def __init__(self, inputs: RolloutInputs) -> None:
        from nca.backends.triton.programs import step_levels

        arguments, weights = inputs.arguments, inputs.weights
        self._given = weights.packed, weights.low
        self._when = inputs.samples, inputs.clock
        life = arguments.life
        self._above = float(life.above) if life else 0.0
        self._numbers = *inputs.draw, float(arguments.noise), self._above, *inputs.sides
        self._launch = Launch(
            step_levels,
            (inputs.tiles, len(weights.plan.levels), 1),
            {**inputs.constants, "LIFE": life.plan if life else LifePlan(0, 1, 0, 0)},
            **program_options(weights),
        )
        self._clearing = _Clearing(inputs) if arguments.cleared else None

    def __call__(
        self, number: int, fields: tuple[Tensor, ...], outs: tuple[Tensor, ...], mask: Tensor
    ) -> None:
        """Let one step pass.

        Args:
            number: Of the step, counted from the first of the rollout.
            fields: Before the step.
            outs: Where the levels of the plan go.
            mask: Where the mask goes that the gradient of the step needs.
        """
        clearing = self._clearing
        raw, living = (clearing.raw, clearing.before) if clearing else (outs, mask)
        self._launch(fields, raw, *self._given, living, *self._when, number, *self._numbers)
        if clearing:
            clearing(outs, mask)


class _Clearing:
    """The dead are cleared: which cells live after a step is known when all of it has passed.

    Attributes:
        raw: The levels of the plan as a step leaves them.
        before: Which cells were alive before it.
    """

    def __init__(self, inputs: RolloutInputs) -> None:
        from nca.backends.triton.life import clear_dead

        plan, life = inputs.weights.plan, inputs.arguments.life
        assert life is not None
        self.raw = tuple(map(torch.empty_like, inputs.levels))
        self.before = inputs.masks(1)[0]
        self._telling = inputs.with_levels(self.raw)[life.plan.field]
        self._numbers = float(life.above), *inputs.sides
        channels = tuple(level.channels for level in plan.levels)
        blocks = tuple(map(power, channels))
        self._launch = Launch(
            clear_dead,
            (-(-inputs.count // CLEARING_TILE), len(channels), 1),
            {"COUNTS": channels, "BLOCKS": blocks, "LIFE": life.plan, "TILE": CLEARING_TILE},
            num_warps=4,
        )

    def __call__(self, outs: tuple[Tensor, ...], mask: Tensor) -> None:
        """Write the levels without the dead, and which cells were kept."""
        self._launch(self._telling, self.raw, outs, self.before, mask, *self._numbers)


class GradientSums:
    """What adds up over the steps of a rollout, and over the cells in parts.

    Args:
        inputs: What the rollout was given.
        work: The fields whose gradients are computed.

    Attributes:
        firsts: Parts of the gradients of the first layers.
        lasts: Parts of those of the last layers.
        shares: Parts of those of the shares that levels add of themselves.
        fields: The gradients of fields that no step writes, `(B, H, W, C)` each.
        hidden: Room for the gradients of all hidden layers in one step.
    """

    def __init__(self, inputs: RolloutInputs, work: Targets) -> None:
        plan, packed, tiles = inputs.weights.plan, inputs.weights.packed, inputs.tiles
        count, pieces = _work_of(inputs)
        self.lasts = packed.new_zeros(programs_of(tiles, count), plan.lasts)
        self.firsts = packed.new_zeros(programs_of(tiles, count * pieces), plan.firsts)
        self.shares = packed.new_zeros(tiles, plan.shares)
        low = torch.bfloat16 if inputs.weights.products == "reduced" else torch.float32
        self.hidden = packed.new_empty(inputs.count * plan.hidden, dtype=low)
        self.fields = {
            one.field: torch.zeros_like(inputs.rows[one.field])
            for one in work.targets
            if one.place < 0
        }

    def clear(self) -> None:
        """Begin anew."""
        for part in (self.firsts, self.lasts, self.shares, *self.fields.values()):
            part.zero_()

    def of_weights(self) -> Tensor:
        """Return the gradient of the weights in one row."""
        return torch.cat([self.firsts.sum(0), self.lasts.sum(0), self.shares.sum(0)])


class BackwardLaunches:
    """The gradients of all steps of a rollout: three launches each, the last step first.

    Args:
        inputs: What the rollout was given.
        history: What was kept of it.
        gradients: Those of the levels after it, `(B, H, W, C)` each; they are left untouched.
        sums: Where gradients add up.
        work: The fields whose gradients are computed.
        of_weights: Whether the gradient of the weights is asked for.
        of_first: Whether the gradients of the fields before the first step are.

    Attributes:
        before: The gradients of these fields once all is launched; see `BackwardLaunches.levels`.
    """

    def __init__(
        self,
        inputs: RolloutInputs,
        history: RolloutHistory,
        gradients: tuple[Tensor, ...],
        sums: GradientSums,
        work: Targets,
        *,
        of_weights: bool,
        of_first: bool,
    ) -> None:
        self.inputs, self._gradients, self._of_first = inputs, gradients, of_first
        self._states: list[tuple[Tensor, ...] | None] = [None, *history.states]
        self._masks = history.masks.unbind(0)
        self._squash = _Squashing(inputs)
        self._step = _StepGradient(inputs, sums, work, of_weights=of_weights)
        self._work = work
        # a step reads the gradients after it, and writes those before it to the other place
        turns = min(inputs.arguments.steps, 2)
        self._turns = [
            tuple(
                sums.fields[one.field]
                if one.place < 0
                else torch.empty_like(inputs.rows[one.field])
                for one in work.targets
            )
            for _ in range(turns)
        ]
        self.before = {
            one.field: out for one, out in zip(work.targets, self._turns[0], strict=True)
        }

    def __call__(self) -> None:
        """Launch them, one after the other."""
        gradients, masks, levels = self._gradients, self._masks, self.inputs.weights.plan.levels
        by_turn = [
            {one.place: out for one, out in zip(self._work.targets, outs, strict=True)}
            for outs in self._turns
        ]
        with torch.cuda.device_of(self.inputs.rows[0]):
            for number in reversed(range(len(self._states))):
                fields = self.inputs.fields(self._states[number])
                self._squash(fields)
                outs = self._turns[number % 2] if number or self._of_first else None
                self._step(number, fields, gradients, outs, masks[number % len(masks)])
                if number:
                    gradients = tuple(by_turn[number % 2][place] for place in range(len(levels)))

    def levels(self) -> tuple[Tensor, ...]:
        """Return the gradients of the levels of the plan before the first step."""
        return tuple(self.before[field] for field in self.inputs.level_fields)


class _StepGradient:
    """The gradient of one step after the other."""

    def __init__(
        self, inputs: RolloutInputs, sums: GradientSums, work: Targets, *, of_weights: bool
    ) -> None:
        from nca.backends.triton.gradients import (
            field_gradients,
            first_gradients,
            hidden_gradients,
        )

        self._sums, self._given = sums, (inputs.weights.packed, inputs.weights.low)
        plan, options = inputs.weights.plan, program_options(inputs.weights)
        constants = {**inputs.constants, "WORK": units(plan)}
        count, pieces = _work_of(inputs)
        self._nets, self._of_weights, tiles = count > 0, of_weights, inputs.tiles
        self._of_hidden = Launch(
            hidden_gradients, (programs_of(tiles, count), count, 1), constants, **options
        )
        programs = programs_of(tiles, count * pieces)
        self._of_firsts = Launch(first_gradients, (programs, count, pieces), constants, **options)
        self._of_fields = Launch(
            field_gradients,
            (tiles, len(work.targets), 1),
            {**constants, "WORK": work, "SHARES": plan.shares},
            **options,
            num_stages=_stages(work.targets),
        )
        self._when = inputs.samples, inputs.clock
        self._numbers, self._sides = (*inputs.draw, *inputs.sides), (*inputs.sides, tiles)
        self._tiles = tiles

    def __call__(
        self,
        number: int,
        fields: tuple[Tensor, ...],
        gradients: tuple[Tensor, ...],
        outs: tuple[Tensor, ...] | None,
        mask: Tensor,
    ) -> None:
        """Compute the gradients before a step.

        Args:
            number: Of the step, counted from the first of the rollout.
            fields: Before the step.
            gradients: Of the levels after it.
            outs: Where the gradients of the targets before it go, or None: they are not needed.
            mask: Of the step.
        """
        sums, hidden, when = self._sums, self._sums.hidden, (*self._when, number, *self._numbers)
        if self._nets:
            parts = sums.lasts
            self._of_hidden(
                fields, gradients, *self._given, hidden, parts, mask, *when, self._tiles
            )
        if outs:
            parts = sums.shares
            self._of_fields(fields, gradients, outs, parts, *self._given, hidden, mask, *when)
        if self._nets and self._of_weights:
            self._of_firsts(fields, hidden, sums.firsts, *self._sides)


def work_of(inputs: RolloutInputs, wanted: Sequence[bool], *, through: bool) -> Targets:
    """Return the fields whose gradients are computed.

    Args:
        inputs: What the rollout was given.
        wanted: Which gradients of the fields before it are asked for.
        through: Whether those of all levels are computed, for the sake of earlier steps.
    """
    levels = inputs.level_fields
    asked = [one or (through and field in levels) for field, one in enumerate(wanted)]
    return targets(inputs.weights.plan, [row.shape[-1] for row in inputs.rows], asked)


def of_fields(found: Mapping[int, Tensor], wanted: Sequence[bool]) -> list[Tensor | None]:
    """Return the wanted gradients of fields, `(B, C, H, W)` each.

    Args:
        found: By field, `(B, H, W, C)` each; what is computed of a level has none of its own.
        wanted: Which are asked for.
    """
    return [
        found[field].movedim(-1, 1) if asked and field in found else None
        for field, asked in enumerate(wanted)
    ]


def signed(number: int) -> int:
    """Return the lower 32 bits of a number as int32 has them."""
    number &= MASK
    return number - (1 << 32) if number >= 1 << 31 else number


def programs_of(tiles: int, shares: int) -> int:
    """Return how many programs share the sum over tiles, for each of so many shares of it."""
    return max(1, min(tiles, PROGRAMS // max(shares, 1)))


def _work_of(inputs: RolloutInputs) -> tuple[int, int]:
    """Return in how many units and pieces of first layers the gradients of weights come."""
    found = units(inputs.weights.plan).units
    return len(found), max((unit.net.rows // unit.net.tall for unit in found), default=1)


def _room(like: Tensor, rows: int, numbers: int, dtype: torch.dtype) -> Tensor:
    """Return room for so many rows of numbers, each of which begins aligned."""
    each = ALIGNED // dtype.itemsize
    return like.new_empty(rows, -(-numbers // each) * each, dtype=dtype)


def _stages(found: Sequence[Target]) -> int:
    """Return how many loads go ahead; with many channels fewer, for weights to fit on the chip."""
    return 3 if max((target.block for target in found), default=0) <= 64 else 2
