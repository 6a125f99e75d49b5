"""The launches of a rollout's gradient, on memory that is allocated before the first."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nca.backends.triton.forward import SquashedLevels
from nca.backends.triton.inputs import RolloutHistory, RolloutInputs
from nca.backends.triton.launch import Grid, Launch
from nca.backends.triton.plan import TAPS, StepPlan
from nca.backends.triton.sizes import EXACT
from nca.backends.triton.step import (
    first_options,
    hidden_options,
    hidden_products,
    program_options,
    tile_of,
)
from nca.backends.triton.work import Target, Targets, folded, targets, units

PROGRAMS = 264
"""Programs that share the sums over all cells, at most; each writes a part of them.

Twice the multiprocessors of an H100. It is a constant, so that sums have the same bits whatever
card computes them.
"""


class GradientSums:
    """What adds up over the steps of a rollout, and over the cells in parts.

    Args:
        inputs: What the rollout was given.
        work: The fields whose gradients are computed.

    Attributes:
        firsts: Parts of the gradients of the first layers.
        lasts: Parts of those of the last layers, and of rate and sharpness of attention.
        shares: Parts of those of the shares that levels add of themselves.
        fields: The gradients of fields that no step writes, `(B, H, W, C)` each.
        handed: Room for what all nets hand in one step to the cells that they read.
        kept: Room for what the hidden units of deep nets sum up in one step.
        attended: Room for what attention hands in one step to the cells attended to, float32.
    """

    def __init__(self, inputs: RolloutInputs, work: Targets) -> None:
        plan, packed, tiles = inputs.weights.plan, inputs.weights.packed, inputs.tiles()
        of_hidden, of_firsts = _hidden_grid(inputs)[0], _first_grid(plan, tiles)[0]
        self.lasts = packed.new_zeros(of_hidden, plan.lasts)
        self.firsts = packed.new_zeros(max(of_hidden, of_firsts), plan.firsts)
        self.shares = packed.new_zeros(tiles, plan.shares)
        self.handed = packed.new_empty(inputs.count * plan.handed, dtype=inputs.low)
        self.attended = packed.new_empty(2 * TAPS * inputs.count * plan.attentions)
        self.kept = inputs.kept()
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
        self._squashed = SquashedLevels(inputs)
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
            last, squashed = len(self._states) - 1, self._squashed
            squashed.write(last, self.inputs.fields(self._states[last]))
            for number in range(last, -1, -1):
                fields = self.inputs.fields(self._states[number], squashed.before(number))
                earlier = self._states[max(number - 1, 0)]
                before = squashed.of(self.inputs.fields(earlier)), squashed.before(number + 1)
                outs = self._turns[number % 2] if number or self._of_first else None
                self._step(number, fields, gradients, outs, before, masks[number % len(masks)])
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
        from nca.backends.triton.field_gradients import field_gradients
        from nca.backends.triton.gradients import first_gradients, hidden_gradients

        self._sums, self._given = sums, (inputs.weights.packed, inputs.weights.low)
        plan, options = inputs.weights.plan, program_options(inputs.weights)
        constants, tiles, work_on = inputs.constants, inputs.tiles(), units(plan)
        products = hidden_products(inputs.weights)
        apart = folded(work_on)
        self._nets, self._folded = bool(work_on.total), bool(of_weights and apart.total)
        self._of_hidden = Launch(
            hidden_gradients,
            _hidden_grid(inputs),
            {**constants, "WORK": work_on, "TILE": tile_of(products), "PRODUCTS": products},
            **hidden_options(inputs.weights),
        )
        self._of_firsts = Launch(
            first_gradients,
            _first_grid(plan, tiles),
            {**constants, "WORK": apart},
            **first_options(inputs.weights),
        )
        self._of_fields = Launch(
            field_gradients,
            (tiles, len(work.targets), 1),
            {**constants, "WORK": work, "SHARES": plan.shares},
            **options,
            num_stages=_stages(work.targets, inputs.weights.products),
        )
        self._when = inputs.samples, inputs.clock
        self._numbers, self._sides = (*inputs.draw, *inputs.sides), (*inputs.sides, tiles)
        self._tiles = inputs.tiles(products)

    def __call__(
        self,
        number: int,
        fields: tuple[Tensor, ...],
        gradients: tuple[Tensor, ...],
        outs: tuple[Tensor, ...] | None,
        squashed: tuple[tuple[Tensor, ...], tuple[Tensor, ...]],
        mask: Tensor,
    ) -> None:
        """Compute the gradients before a step.

        Args:
            number: Of the step, counted from the first of the rollout.
            fields: Before the step.
            gradients: Of the levels after it.
            outs: Where the gradients of the targets before it go, or None: they are not needed.
            squashed: The levels before the step before it that nets read squashed, and where goes
                what they read.
            mask: Of the step.
        """
        sums, when = self._sums, (*self._when, number, *self._numbers)
        given = sums.handed, sums.attended
        if self._nets:
            parts = sums.firsts, sums.lasts
            self._of_hidden(
                fields, gradients, *self._given, sums.kept, *given, *parts, mask, *when, self._tiles
            )
        if outs:
            earlier, before = (some or outs for some in squashed)  # no program takes no tensor
            ends = sums.shares, *self._given, *given, mask, *when
            self._of_fields(fields, earlier, gradients, outs, before, *ends)
        if self._folded:
            self._of_firsts(fields, sums.kept, sums.handed, sums.firsts, *self._sides)


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


def _hidden_grid(inputs: RolloutInputs) -> Grid:
    """Return how many programs compute what nets hand on: parts of the sums, units."""
    count = units(inputs.weights.plan).total
    return _programs(inputs.tiles(hidden_products(inputs.weights)), count), count, 1


def _first_grid(plan: StepPlan, tiles: int) -> Grid:
    """Return how many programs sum up first layers: parts of the sums, units, pieces of rows."""
    found = folded(units(plan))
    matrices = [*(unit.net for unit in found.units), *(unit.layer for unit in found.layers)]
    pieces = max((one.rows // one.tall for one in matrices), default=1)
    return _programs(tiles, len(matrices) * pieces), len(matrices), pieces


def _programs(tiles: int, shares: int) -> int:
    """Return how many programs share the sum over tiles, for each of so many shares of it."""
    return max(1, min(tiles, PROGRAMS // max(shares, 1)))


def _stages(found: Sequence[Target], products: str) -> int:
    """Return how many loads go ahead; with many channels fewer, for weights to fit on the chip.

    Those of exact products are smaller, and fit.
    """
    few = max((target.block for target in found), default=0) <= 64
    return 3 if few or products == EXACT else 2
