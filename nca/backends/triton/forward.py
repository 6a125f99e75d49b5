"""The launches of a rollout, on memory that is allocated before the first.

Nothing is allocated and nothing waits while launches follow each other, so that they can be
recorded once and replayed (`nca.backends.triton.graphs`).
"""

import torch
from torch import Tensor

from nca.backends.triton.inputs import RolloutHistory, RolloutInputs, room_for
from nca.backends.triton.launch import Launch
from nca.backends.triton.plan import LifePlan
from nca.backends.triton.step import step_options

CLEARING_TILE = 64
"""Rows that a program which clears the dead holds at once."""

SQUASHING_TILE = 1024
"""Numbers that a program which squashes levels holds at once."""


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
        buffers = tuple(room_for(like, rows, like.numel(), like.dtype) for like in first)
        masks = inputs.masks(steps if keep and inputs.arguments.life else 1)
        self.history = RolloutHistory(buffers, masks)
        self.ends = tuple(map(torch.empty_like, first))
        between = self.history.states
        self._outs = [between[number % rows] for number in range(steps - 1)] + [self.ends]
        self._masks = masks.unbind(0)
        self._squashed, self._step = SquashedLevels(inputs), _Step(inputs)

    def __call__(self) -> None:
        """Launch them, one after the other."""
        levels, masks, squashed = None, self._masks, self._squashed
        with torch.cuda.device_of(self.inputs.rows[0]):
            squashed.write(0, self.inputs.fields(None))
            for number, outs in enumerate(self._outs):
                fields = self.inputs.fields(levels, squashed.before(number))
                after = squashed.before(number + 1)
                self._step(number, fields, outs, after, masks[number % len(masks)])
                levels = outs


class SquashedLevels:
    """What nets read squashed, before a step and after it by turns.

    A launch writes it before the first step of a rollout, and before the last one of its gradient;
    then the programs of a step do, which have the levels at hand.
    """

    def __init__(self, inputs: RolloutInputs) -> None:
        from nca.backends.triton.squash import squash_levels

        shown = inputs.weights.plan.shown
        self._sources = [one.source for one in shown]
        outs = tuple(inputs.rows[one.field] for one in shown)
        self._turns = outs, tuple(map(torch.empty_like, outs))
        self._count = inputs.count
        most = max((out.numel() for out in outs), default=0)
        self._launch = Launch(
            squash_levels,
            (-(-most // SQUASHING_TILE), len(shown), 1),
            {"PLAN": inputs.weights.plan, "TILE": SQUASHING_TILE},
            num_warps=4,
        )

    def before(self, number: int) -> tuple[Tensor, ...]:
        """Return where it lies before a step, by the number of the step."""
        return self._turns[number % 2]

    def of(self, fields: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the levels of which it is computed."""
        return tuple(fields[source] for source in self._sources)

    def write(self, number: int, fields: tuple[Tensor, ...]) -> None:
        """Write it before a step."""
        if self._sources:
            self._launch(self.of(fields), self.before(number), self._count)


class _Step:
    """One step after the other: a launch, and another where the dead are cleared."""

    def __init__(self, inputs: RolloutInputs) -> None:
        from nca.backends.triton.programs import step_levels

        arguments, weights = inputs.arguments, inputs.weights
        self._given = weights.packed, weights.low, inputs.kept()
        self._when = inputs.samples, inputs.clock
        life = arguments.life
        self._above = float(life.above) if life else 0.0
        self._numbers = *inputs.draw, float(arguments.noise), self._above, *inputs.sides
        self._launch = Launch(
            step_levels,
            (inputs.tiles(), len(weights.plan.levels), 1),
            {**inputs.constants, "LIFE": life.plan if life else LifePlan(0, 1, 0, 0)},
            **step_options(weights),
        )
        self._clearing = _Clearing(inputs) if arguments.cleared else None

    def __call__(
        self,
        number: int,
        fields: tuple[Tensor, ...],
        outs: tuple[Tensor, ...],
        squashed: tuple[Tensor, ...],
        mask: Tensor,
    ) -> None:
        """Let one step pass.

        Args:
            number: Of the step, counted from the first of the rollout.
            fields: Before the step.
            outs: Where the levels of the plan go.
            squashed: Where goes what is computed of them.
            mask: Where the mask goes that the gradient of the step needs.
        """
        clearing = self._clearing
        raw, living = (clearing.raw, clearing.before) if clearing else (outs, mask)
        when = *self._when, number, *self._numbers
        squashed = squashed or outs  # no program takes an empty tuple
        self._launch(fields, raw, squashed, *self._given, living, *when)
        if clearing:
            clearing(outs, squashed, mask)


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
        self._telling = inputs.fields(self.raw)[life.plan.field]
        self._numbers = float(life.above), *inputs.sides
        self._launch = Launch(
            clear_dead,
            (-(-inputs.count // CLEARING_TILE), len(plan.levels), 1),
            {"PLAN": plan, "LIFE": life.plan, "TILE": CLEARING_TILE},
            num_warps=4,
        )

    def __call__(
        self, outs: tuple[Tensor, ...], squashed: tuple[Tensor, ...], mask: Tensor
    ) -> None:
        """Write levels without the dead, what is computed of them, and which cells were kept."""
        self._launch(self._telling, self.raw, outs, squashed, self.before, mask, *self._numbers)
