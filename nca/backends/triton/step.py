"""One fused step as an operation of autograd, and how its programs are launched.

Saved for the backward pass are the fields as they were before the step, nothing that was computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.backends.triton.plan import StepPlan, targets, units
from nca.backends.triton.weights import LevelWeights, lay_out

MASK = 0xFFFFFFFF

PROGRAMS = 264
"""Programs that share the sums over all cells, at most; each writes a part of them.

Twice the multiprocessors of an H100. It is a constant, so that sums have the same bits whatever
card computes them.
"""


@dataclass(frozen=True)
class Weights:
    """All weights of a rollout, laid out once.

    Attributes:
        plan: Which nets read what, and where their weights lie.
        packed: All weights in one row, float32; gradients flow to it.
        low: The same numbers as products take them.
        products: `exact`, `reduced`, or `rounded`, which is `reduced` under an interpreter.
    """

    plan: StepPlan
    packed: Tensor
    low: Tensor
    products: str

    @property
    def tile(self) -> int:
        """Rows that a program holds at once."""
        return 32 if self.products == "exact" else 64


@dataclass(frozen=True)
class StepArguments:
    """What distinguishes one step from the next.

    Attributes:
        random_seed: The state's.
        step: The state's.
        samples: The state's, `(B,)`.
        fire_rate: Chance that a cell fires.
        living: Which cells may change, bool `(B, 1, H, W)`, or None: all.
        size: Factor of every change.
        noise: Factor of the noise, where the plan names streams for it.
    """

    random_seed: int
    step: int
    samples: Tensor
    fire_rate: float
    living: Tensor | None
    size: float
    noise: float


def prepare(levels: Sequence[LevelWeights], *, reduced: bool) -> Weights:
    """Lay out the weights of a rollout.

    Args:
        levels: What is summed for each level; there is at least one.
        reduced: Whether products take bfloat16.
    """
    plan, packed = lay_out(levels, exact=not reduced)
    packed = packed.float()
    low = packed.detach()
    if not reduced:
        return Weights(plan, packed, low, "exact")
    if interpreted():
        return Weights(plan, packed, low, "rounded")
    return Weights(plan, packed, low.bfloat16(), "reduced")


def advance(
    weights: Weights, moment: StepArguments, fields: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Return the levels of the plan after one step, `(B, C, H, W)` each.

    Args:
        weights: What `prepare` returned.
        moment: The step.
        fields: What nets read and levels hold, float32 `(B, C, H, W)`.
    """
    return _Step.apply(weights, moment, weights.packed, *fields)  # pyright: ignore[reportReturnType]


def interpreted() -> bool:
    """Tell whether Triton runs programs on the host, without compiling them."""
    from triton import knobs

    return bool(knobs.runtime.interpret)


def launch(program: Any, grid: tuple[int, ...], *given: Any, **options: Any) -> None:
    """Start so many programs, on the device of what they are given."""
    first, *_ = given
    with torch.cuda.device_of(first if isinstance(first, Tensor) else first[0]):
        program[grid](*given, **options)


class _Step(torch.autograd.Function):
    """The step; see `advance`."""

    @staticmethod
    def forward(
        ctx: Any, weights: Weights, moment: StepArguments, packed: Tensor, *fields: Tensor
    ) -> tuple[Tensor, ...]:
        from nca.backends.triton.programs import step_levels

        ctx.weights, ctx.moment = weights, moment
        ctx.save_for_backward(packed, *fields)
        rows = [field_rows(field) for field in fields]
        outs = tuple(torch.empty_like(rows[level.field]) for level in weights.plan.levels)
        count, size = cells_of(rows[0])
        launch(
            step_levels,
            (-(-count // weights.tile), len(outs)),
            *(tuple(rows), outs, packed, weights.low),
            *_moment(moment, packed),
            *(float(moment.noise), count, *size),
            PLAN=weights.plan,
            **_kind(weights, moment),
        )
        return tuple(out.movedim(-1, 1) for out in outs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        packed, *fields = ctx.saved_tensors
        back = _Back(
            ctx.weights,
            ctx.moment,
            packed,
            tuple(field_rows(field) for field in fields),
            tuple(field_rows(gradient) for gradient in gradients),
        )
        _, _, of_weights, *wanted = ctx.needs_input_grad
        hidden, of_lasts = back.hidden()
        outs, of_shares = back.fields(hidden, wanted)
        of_packed = None
        if of_weights:
            of_packed = torch.cat([back.firsts(hidden), of_lasts, of_shares])
        return None, None, of_packed, *outs


@dataclass(frozen=True)
class _Back:
    """The backward pass of one step; fields and gradients are `(B, H, W, C)`."""

    weights: Weights
    moment: StepArguments
    packed: Tensor
    rows: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]

    @property
    def tiles(self) -> int:
        return -(-cells_of(self.rows[0])[0] // self.weights.tile)

    @property
    def common(self) -> tuple[Any, ...]:
        count, size = cells_of(self.rows[0])
        return *_moment(self.moment, self.packed), count, *size

    def hidden(self) -> tuple[Tensor, Tensor]:
        """Return the gradients of all hidden layers, and those of the last layers."""
        from nca.backends.triton.gradients import hidden_gradients

        plan, (count, _) = self.weights.plan, cells_of(self.rows[0])
        kind = torch.bfloat16 if self.weights.products == "reduced" else torch.float32
        hidden = torch.empty(count * plan.hidden, dtype=kind, device=self.packed.device)
        work = units(plan)
        programs = self._programs(len(work.units))
        parts = self.packed.new_empty(programs, plan.lasts)
        if work.units:
            launch(
                hidden_gradients,
                (programs, len(work.units)),
                *(self.rows, self.gradients, self.packed, self.weights.low, hidden, parts),
                *(*self.common, self.tiles),
                PLAN=plan,
                WORK=work,
                **_kind(self.weights, self.moment),
            )
        return hidden, parts.sum(0)

    def firsts(self, hidden: Tensor) -> Tensor:
        """Return the gradients of the first layers."""
        from nca.backends.triton.gradients import first_gradients

        plan, (count, size) = self.weights.plan, cells_of(self.rows[0])
        work = units(plan)
        pieces = max((unit.net.rows // unit.net.tall for unit in work.units), default=1)
        programs = self._programs(len(work.units) * pieces)
        parts = self.packed.new_empty(programs, plan.firsts)
        if work.units:
            launch(
                first_gradients,
                (programs, len(work.units), pieces),
                *(self.rows, hidden, parts, count, *size, self.tiles),
                PLAN=plan,
                WORK=work,
                **program_options(self.weights),
            )
        return parts.sum(0)

    def fields(self, hidden: Tensor, wanted: Sequence[bool]) -> tuple[list[Tensor | None], Tensor]:
        """Return the gradients of the wanted fields, `(B, C, H, W)`, and those of the shares."""
        from nca.backends.triton.gradients import field_gradients

        plan = self.weights.plan
        work = targets(plan, [row.shape[-1] for row in self.rows], wanted)
        found = work.targets
        outs = tuple(torch.empty_like(self.rows[target.field]) for target in found)
        parts = self.packed.new_empty(self.tiles, plan.shares)
        if found:
            launch(
                field_gradients,
                (self.tiles, len(found)),
                *(self.rows, self.gradients, outs, parts, self.packed, self.weights.low, hidden),
                *self.common,
                WORK=work,
                SHARES=plan.shares,
                # many channels: fewer loads ahead, for the weights to fit on the chip
                num_stages=3 if max(target.block for target in found) <= 64 else 2,
                **_kind(self.weights, self.moment),
            )
        by_field = {t.field: out.movedim(-1, 1) for t, out in zip(found, outs, strict=True)}
        return [by_field[n] if asked else None for n, asked in enumerate(wanted)], parts.sum(0)

    def _programs(self, shares: int) -> int:
        return max(1, min(self.tiles, PROGRAMS // max(shares, 1)))


def field_rows(field: Tensor) -> Tensor:
    """Return `(B, C, H, W)` as `(B, H, W, C)`, without a copy if channels lie side by side."""
    return field.movedim(1, -1).contiguous()


def cells_of(rows: Tensor) -> tuple[int, tuple[int, int]]:
    """Return the cells of all samples, and height and width of the grid."""
    batch, height, width, _ = rows.shape
    return batch * height * width, (height, width)


def _moment(moment: StepArguments, nothing: Tensor) -> tuple[Any, ...]:
    living = nothing if moment.living is None else moment.living.contiguous().view(torch.uint8)
    chance = round(moment.fire_rate * (1 << 24))
    seeds = moment.random_seed, moment.random_seed >> 32, moment.step
    return living, moment.samples.contiguous(), *map(_signed, seeds), chance, float(moment.size)


def _kind(weights: Weights, moment: StepArguments) -> dict[str, Any]:
    return {
        "FIRE": moment.fire_rate < 1,
        "FROZEN": moment.living is not None,
        **program_options(weights),
    }


def program_options(weights: Weights) -> dict[str, Any]:
    """Return what all programs of nets are compiled with."""
    warps = 8 if weights.products == "exact" or weights.plan.many else 4
    return {"TILE": weights.tile, "PRODUCTS": weights.products, "num_warps": warps}


def _signed(number: int) -> int:
    """Return the lower 32 bits of a number as int32 has them."""
    number &= MASK
    return number - (1 << 32) if number >= 1 << 31 else number
