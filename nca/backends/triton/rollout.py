"""Many fused steps as one operation of autograd.

Kept for the backward pass are the levels before each step and a mask of a byte for each cell,
nothing else that was computed. Gradients of weights add up on the device, in as many parts as
there are programs, over all steps; the parts are summed once, at the end.

Legend: S steps, B batch, H height, W width, C channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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


def roll_out(
    weights: Weights, arguments: RolloutArguments, fields: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Return the levels of the plan after some steps, `(B, C, H, W)` each.

    Args:
        weights: What `prepare` returned.
        arguments: The rollout.
        fields: What nets read and levels hold before it, float32 `(B, C, H, W)`. Fields that are
            no level of the plan stay the same in all steps. What the plan shows of a level is
            computed; the level itself stands in its place.
    """
    given = weights.packed, *fields
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        return _Rollout.apply(weights, arguments, *given)  # pyright: ignore[reportReturnType]
    ends, _ = _forward(_Grid.of(weights, arguments, fields), keep=False)
    return tuple(end.movedim(-1, 1) for end in ends)


class _Rollout(torch.autograd.Function):
    """The rollout; see `roll_out`."""

    @staticmethod
    def forward(
        ctx: Any, weights: Weights, arguments: RolloutArguments, packed: Tensor, *fields: Tensor
    ) -> tuple[Tensor, ...]:
        grid = _Grid.of(weights, arguments, fields)
        ends, history = _forward(grid, keep=True)
        ctx.weights, ctx.arguments, ctx.fields = weights, arguments, len(fields)
        ctx.save_for_backward(packed, *fields, *history.buffers, history.masks)
        return tuple(end.movedim(-1, 1) for end in ends)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, *saved = ctx.saved_tensors
        fields, (*buffers, masks) = saved[: ctx.fields], saved[ctx.fields :]
        grid = _Grid.of(ctx.weights, ctx.arguments, fields)
        _, _, of_weights, *wanted = ctx.needs_input_grad
        back = _Backward(grid, _History(tuple(buffers), masks), of_weights, wanted)
        of_packed, of_fields = back.run(tuple(map(field_rows, gradients)))
        return None, None, of_packed, *of_fields


class _History(NamedTuple):
    """What is kept of a rollout.

    Attributes:
        buffers: Each level of the plan before each step but the first, one row for each step,
            filled up to a multiple of `ALIGNED` bytes.
        masks: Which cells may change in a step or were kept after it, uint8, likewise.
    """

    buffers: tuple[Tensor, ...]
    masks: Tensor

    @property
    def states(self) -> list[tuple[Tensor, ...]]:
        """The levels of the plan before each step but the first."""
        return list(zip(*(buffer.unbind(0) for buffer in self.buffers), strict=True))


@dataclass(frozen=True)
class _Grid:
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
    def of(cls, weights: Weights, arguments: RolloutArguments, fields: Sequence[Tensor]) -> "_Grid":
        rows = [field_rows(field.detach()) for field in fields]
        for shown in weights.plan.shown:  # written before each step
            rows[shown.field] = torch.empty_like(rows[shown.source])
        samples = aligned(arguments.samples.contiguous())
        return cls(weights, arguments, tuple(rows), samples, make_clock(arguments))

    @property
    def count(self) -> int:
        return cells_of(self.rows[0])[0]

    @property
    def tiles(self) -> int:
        return -(-self.count // self.weights.tile)

    @property
    def level_fields(self) -> tuple[int, ...]:
        """Which of the fields each level of the plan is."""
        return tuple(level.field for level in self.weights.plan.levels)

    @property
    def sides(self) -> tuple[int, int, int]:
        """Cells of all samples, height and width."""
        count, size = cells_of(self.rows[0])
        return count, *size

    @property
    def draw(self) -> tuple[int, float]:
        """Chance to fire in 2^-24, and the factor of every change."""
        return round(self.arguments.fire_rate * (1 << 24)), float(self.arguments.size)

    @property
    def kind(self) -> dict[str, Any]:
        """The constants of all programs that compute a step or its gradient."""
        life = self.arguments.life
        return {
            "PLAN": self.weights.plan,
            "FIRE": self.arguments.fire_rate < 1,
            "FROZEN": life is not None and life.frozen,
            "CLEARED": self.cleared,
            "TILE": self.weights.tile,
            "PRODUCTS": self.weights.products,
        }

    @property
    def cleared(self) -> bool:
        """Whether the dead are cleared."""
        life = self.arguments.life
        return life is not None and not life.frozen

    def fields(self, levels: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        """Return all fields, where the levels of the plan are these; None: the first ones."""
        if levels is None:
            return self.rows
        fields = list(self.rows)
        for field, level in zip(self.level_fields, levels, strict=True):
            fields[field] = level
        return tuple(fields)

    def masks(self, count: int) -> Tensor:
        """Return room for so many masks."""
        return _room(self.rows[0], count, self.count, torch.uint8)


def make_clock(arguments: RolloutArguments) -> Tensor:
    """Return random seed and first step, int32 `(3,)`, without waiting for the device."""
    clock = arguments.samples.new_empty(3, dtype=torch.int32)
    numbers = arguments.random_seed, arguments.random_seed >> 32, arguments.step
    for place, number in zip(clock.unbind(0), numbers, strict=True):
        place.fill_(_signed(number))
    return clock


def _forward(grid: _Grid, *, keep: bool) -> tuple[tuple[Tensor, ...], _History]:
    """Let all steps pass; return the last levels, and what is kept of the others."""
    steps = grid.arguments.steps
    started = [grid.rows[field] for field in grid.level_fields]
    rows = steps - 1 if keep else min(steps - 1, 2)
    buffers = tuple(_room(like, rows, like.numel(), like.dtype) for like in started)
    history = _History(buffers, grid.masks(steps if keep and grid.arguments.life else 1))
    ends = tuple(map(torch.empty_like, started))
    between = history.states
    outs = [between[number % rows] for number in range(steps - 1)] + [ends]
    masks = history.masks.unbind(0)
    with torch.cuda.device_of(grid.rows[0]):
        step, squash = _Step(grid), _Squashing(grid)
        levels = None
        for number, out in enumerate(outs):
            fields = grid.fields(levels)
            squash(fields)
            step(number, fields, out, masks[number % len(masks)])
            levels = out
    return ends, history


class _Step:
    """One step after the other: a launch, and another where the dead are cleared."""

    def __init__(self, grid: _Grid) -> None:
        from nca.backends.triton.life import clear_dead
        from nca.backends.triton.programs import step_levels

        self.grid, plan, life = grid, grid.weights.plan, grid.arguments.life
        life_plan = life.plan if life else LifePlan(0, 1, 0, 0)
        self._above = float(life.above) if life else 0.0
        self._started = Launch(
            step_levels,
            (grid.tiles, len(plan.levels), 1),
            {**grid.kind, "LIFE": life_plan},
            **program_options(grid.weights),
        )
        self._noise = float(grid.arguments.noise)
        self._draw, self._sides = grid.draw, grid.sides
        self._cleared = None
        if grid.cleared:
            # which cells live after a step, is known when it has ended for their neighbours, too
            self._raw = tuple(torch.empty_like(grid.rows[field]) for field in grid.level_fields)
            self._before = grid.masks(1)[0]
            told = dict(zip(grid.level_fields, self._raw, strict=True))
            self._telling = told.get(life_plan.field, grid.rows[life_plan.field])
            channels = tuple(level.channels for level in plan.levels)
            self._cleared = Launch(
                clear_dead,
                (-(-grid.count // CLEARING_TILE), len(channels), 1),
                {
                    "COUNTS": channels,
                    "BLOCKS": tuple(map(power, channels)),
                    "LIFE": life_plan,
                    "TILE": CLEARING_TILE,
                },
                num_warps=4,
            )

    def __call__(
        self, number: int, fields: tuple[Tensor, ...], outs: tuple[Tensor, ...], mask: Tensor
    ) -> None:
        grid, weights = self.grid, self.grid.weights
        raw, living = (self._raw, self._before) if self._cleared else (outs, mask)
        self._started(
            *(fields, raw, weights.packed, weights.low, living, grid.samples, grid.clock, number),
            *self._draw,
            self._noise,
            self._above,
            *self._sides,
        )
        if self._cleared:
            self._cleared(
                *(self._telling, raw, outs, living, mask, self._above),
                *self._sides,
            )


class _Squashing:
    """What is computed of the levels before each step: one launch, or none."""

    def __init__(self, grid: _Grid) -> None:
        from nca.backends.triton.squash import squash_levels

        shown = grid.weights.plan.shown
        self._sources = [one.source for one in shown]
        self._outs = tuple(grid.rows[one.field] for one in shown)
        self._count = grid.count
        most = max((out.numel() for out in self._outs), default=0)
        self._launch = Launch(
            squash_levels,
            (-(-most // SQUASHING_TILE), len(shown), 1),
            {"PLAN": grid.weights.plan, "TILE": SQUASHING_TILE},
            num_warps=4,
        )

    def __call__(self, fields: tuple[Tensor, ...]) -> None:
        """Write what nets read of these levels."""
        if self._outs:
            sources = tuple(fields[source] for source in self._sources)
            self._launch(sources, self._outs, self._count)


class _Backward:
    """The backward pass of a rollout: three launches a step, the last step first.

    Args:
        grid: What the rollout was given.
        history: What was kept of it.
        of_weights: Whether the gradient of the weights is asked for.
        wanted: Which gradients of the fields before the rollout are asked for.
    """

    def __init__(
        self, grid: _Grid, history: _History, of_weights: bool, wanted: Sequence[bool]
    ) -> None:
        self.grid, self.history, self.of_weights, self.wanted = grid, history, of_weights, wanted
        steps = grid.arguments.steps
        through = [
            asked or (steps > 1 and field in grid.level_fields)
            for field, asked in enumerate(wanted)
        ]
        channels = [row.shape[-1] for row in grid.rows]
        self.targets = targets(grid.weights.plan, channels, through)

    def run(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor | None, list[Tensor | None]]:
        """Return the gradient of the weights, and those of the fields, `(B, C, H, W)` each.

        Args:
            gradients: Those of the levels after the rollout, `(B, H, W, C)` each.
        """
        grid, found = self.grid, self.targets.targets
        steps, plan = grid.arguments.steps, grid.weights.plan
        states = [None, *self.history.states]
        masks = self.history.masks.unbind(0)
        constant = {t.field: torch.zeros_like(grid.rows[t.field]) for t in found if t.place < 0}
        turns = [self._outs(constant) for _ in range(min(steps, 2))]
        with torch.cuda.device_of(grid.rows[0]):
            squash = _Squashing(grid)
            launches = _GradientLaunches(grid, self.targets, self.of_weights)
            shares = bool(plan.shares) and self.of_weights
            for number in reversed(range(steps)):
                fields = grid.fields(states[number])
                squash(fields)
                outs = turns[number % 2]
                needed = number > 0 or any(self.wanted) or shares
                launches(
                    number, fields, gradients, outs if needed else None, masks[number % len(masks)]
                )
                if number:
                    by_place = {t.place: out for t, out in zip(found, outs, strict=True)}
                    gradients = tuple(by_place[place] for place in range(len(plan.levels)))
        by_field = {t.field: out.movedim(-1, 1) for t, out in zip(found, turns[0], strict=True)}
        of_fields = [by_field.get(n) if asked else None for n, asked in enumerate(self.wanted)]
        return launches.of_packed() if self.of_weights else None, of_fields

    def _outs(self, constant: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """Return where the gradients of the targets before a step go."""
        return tuple(
            constant[t.field] if t.place < 0 else torch.empty_like(self.grid.rows[t.field])
            for t in self.targets.targets
        )


class _GradientLaunches:
    """The launches of the backward pass of one step after the other.

    Args:
        grid: What the rollout was given.
        work: The fields whose gradients are computed.
        of_weights: Whether the gradient of the weights is asked for.
    """

    def __init__(self, grid: _Grid, work: Targets, of_weights: bool) -> None:
        from nca.backends.triton.gradients import (
            field_gradients,
            first_gradients,
            hidden_gradients,
        )

        self.grid, plan = grid, grid.weights.plan
        packed, tiles, pieces_of = grid.weights.packed, grid.tiles, units(plan)
        self._of_weights, self._pieces = of_weights, pieces_of.units
        kind, options = {**grid.kind, "WORK": pieces_of}, program_options(grid.weights)
        low = torch.bfloat16 if grid.weights.products == "reduced" else torch.float32
        self.hidden = torch.empty(grid.count * plan.hidden, dtype=low, device=packed.device)
        count = len(self._pieces)
        programs = _programs(tiles, count)
        self.lasts = packed.new_zeros(programs, plan.lasts)
        self._hidden = Launch(hidden_gradients, (programs, count, 1), kind, **options)
        pieces = max((unit.net.rows // unit.net.tall for unit in self._pieces), default=1)
        programs = _programs(tiles, count * pieces)
        self.firsts = packed.new_zeros(programs, plan.firsts)
        self._firsts = Launch(first_gradients, (programs, count, pieces), kind, **options)
        self.shares = packed.new_zeros(tiles, plan.shares)
        self._fields = Launch(
            field_gradients,
            (tiles, len(work.targets), 1),
            {**kind, "WORK": work, "SHARES": plan.shares},
            **options,
            num_stages=_stages(work.targets),
        )
        self._common = grid.draw, (*grid.sides,)

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
        grid, weights, (draw, sides) = self.grid, self.grid.weights, self._common
        when = grid.samples, grid.clock, number, *draw, *sides
        if self._pieces:
            self._hidden(
                *(fields, gradients, weights.packed, weights.low, self.hidden, self.lasts, mask),
                *when,
                grid.tiles,
            )
        if outs:
            self._fields(
                *(fields, gradients, outs, self.shares, weights.packed, weights.low),
                *(self.hidden, mask, *when),
            )
        if self._pieces and self._of_weights:
            self._firsts(fields, self.hidden, self.firsts, *sides, grid.tiles)

    def of_packed(self) -> Tensor:
        """Return the gradient of the weights in one row."""
        return torch.cat([self.firsts.sum(0), self.lasts.sum(0), self.shares.sum(0)])


def _room(like: Tensor, rows: int, numbers: int, dtype: torch.dtype) -> Tensor:
    """Return room for so many rows of numbers, each of which begins aligned."""
    each = ALIGNED // dtype.itemsize
    return like.new_empty(rows, -(-numbers // each) * each, dtype=dtype)


def _programs(tiles: int, shares: int) -> int:
    return max(1, min(tiles, PROGRAMS // max(shares, 1)))


def _stages(found: Sequence[Target]) -> int:
    """Return how many loads go ahead; with many channels fewer, for weights to fit on the chip."""
    return 3 if max((target.block for target in found), default=0) <= 64 else 2


def _signed(number: int) -> int:
    """Return the lower 32 bits of a number as int32 has them."""
    number &= MASK
    return number - (1 << 32) if number >= 1 << 31 else number
