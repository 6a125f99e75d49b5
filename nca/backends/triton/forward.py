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
        steps, levels = inputs.arguments.steps, inputs.levels
        late = _clears_late(inputs)
        rows = steps - 1 if keep else 0 if late else min(steps - 1, 2)
        buffers = tuple(room_for(like, rows, like.numel(), like.dtype) for like in levels)
        masks = inputs.masks(steps if keep and inputs.arguments.life else 1)
        self.history = RolloutHistory(buffers, masks)
        self.ends = tuple(map(torch.empty_like, levels))
        kept = self.history if keep else None
        if late:
            self._launch = _LateSteps(inputs, kept, masks, self.ends)
        else:
            self._launch = _Steps(inputs, self.history, self.ends)

    def __call__(self) -> None:
        """Launch them, one after the other."""
        with torch.cuda.device_of(self.inputs.rows[0]):
            self._launch()


def _clears_late(inputs: RolloutInputs) -> bool:
    """Return whether each step clears the dead of the one before as it reads them.

    Attention and deep nets, and cells that live by what is more than a cell away, have a launch
    after each step that clears the dead.
    """
    life, plan = inputs.arguments.life, inputs.weights.plan
    near = life is not None and not life.frozen and life.plan.radius <= 1
    return near and not plan.attentions and not plan.deep


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


class _Steps:
    """One step after the other: a launch, and another where the dead are cleared.

    Args:
        inputs: What they are given.
        history: Where the levels go after all steps but the last, by turns, and the masks.
        ends: Where they go after the last.
    """

    def __init__(
        self, inputs: RolloutInputs, history: RolloutHistory, ends: tuple[Tensor, ...]
    ) -> None:
        self.inputs = inputs
        between, last = history.states, inputs.arguments.steps - 1
        self._outs = [between[number % len(between)] for number in range(last)] + [ends]
        self._masks = history.masks.unbind(0)
        self._squashed, self._step = SquashedLevels(inputs), _StepLaunch(inputs, ())
        self._clear = _ClearLaunch(inputs) if inputs.arguments.cleared else None
        if self._clear:
            self._raw = tuple(map(torch.empty_like, inputs.levels))
            self._before = inputs.masks(1)[0]

    def __call__(self) -> None:
        levels, squashed, clear = None, self._squashed, self._clear
        squashed.write(0, self.inputs.fields(None))
        for number, outs in enumerate(self._outs):
            fields = self.inputs.fields(levels, squashed.before(number))
            after = squashed.before(number + 1)
            mask = self._masks[number % len(self._masks)]
            raw, living = (self._raw, self._before) if clear else (outs, mask)
            self._step(number, fields, raw, after, living)
            if clear:
                clear(raw, living, outs, after, mask)
            levels = outs


class _LateSteps:
    """One launch after the other: each step clears the dead of the one before as it reads them.

    Args:
        inputs: What they are given.
        history: Where goes what is kept, or None: nothing is.
        masks: Where goes which cells survived the last step.
        ends: Where the levels go after the last step.
    """

    def __init__(
        self,
        inputs: RolloutInputs,
        history: RolloutHistory | None,
        masks: Tensor,
        ends: tuple[Tensor, ...],
    ) -> None:
        self.inputs, self._ends = inputs, ends
        self._steps = inputs.arguments.steps
        turns = range(min(self._steps, 2))
        self._raw = [tuple(map(torch.empty_like, inputs.levels)) for _ in turns]
        self._living = inputs.masks(len(turns)).unbind(0)
        self._cleared = history.states if history else None
        self._survived = masks.unbind(0)
        plan = inputs.weights.plan
        changing = {*inputs.level_fields, *(one.field for one in plan.shown)}
        late = tuple(field in changing for field in range(len(inputs.rows)))
        self._squashed, self._step = SquashedLevels(inputs), _StepLaunch(inputs, late)
        self._clear = _ClearLaunch(inputs)

    def __call__(self) -> None:
        squashed, raw = self._squashed, None
        squashed.write(0, self.inputs.fields(None))
        before = self._living[0]  # which says nothing yet, and is not asked before the second step
        for number in range(self._steps):
            fields = self.inputs.fields(raw, squashed.before(number))
            kept = None
            if number and self._cleared is not None:
                kept = self._cleared[number - 1], self._survived[number - 1]
            turn = number % len(self._raw)
            raw, living = self._raw[turn], self._living[turn]
            self._step(number, fields, raw, squashed.before(number + 1), living, before, kept)
            before = living
        assert raw is not None
        self._clear(raw, before, self._ends, squashed.before(self._steps), self._survived[-1])


class _StepLaunch:
    """The launch of a step.

    Args:
        inputs: What all steps are given.
        late: See `LifePlan`; none: no field is.
    """

    def __init__(self, inputs: RolloutInputs, late: tuple[bool, ...]) -> None:
        from nca.backends.triton.programs import step_levels

        arguments, weights = inputs.arguments, inputs.weights
        self._given = weights.packed, weights.low, inputs.kept()
        self._when = inputs.samples, inputs.clock
        life = arguments.life
        above = float(life.above) if life else 0.0
        self._numbers = *inputs.draw, float(arguments.noise), above, *inputs.sides
        plan = life.plan if life else LifePlan(0, 1, 0, 0)
        plan = plan._replace(late=late or (False,) * len(inputs.rows))
        self._launch = Launch(
            step_levels,
            (inputs.tiles(), len(weights.plan.levels), 1),
            {**inputs.constants, "LIFE": plan},
            **step_options(weights, late=any(plan.late)),
        )

    def __call__(
        self,
        number: int,
        fields: tuple[Tensor, ...],
        outs: tuple[Tensor, ...],
        squashed: tuple[Tensor, ...],
        living: Tensor,
        before: Tensor | None = None,
        kept: tuple[tuple[Tensor, ...], Tensor] | None = None,
    ) -> None:
        """Let one step pass.

        Args:
            number: Of the step, counted from the first of the rollout.
            fields: Before the step; with the dead of the one before, where fields are late.
            outs: Where the levels of the plan go.
            squashed: Where goes what is computed of them.
            living: Where goes which cells were alive before the step.
            before: The same before the step before, where fields are late.
            kept: Where go the levels before the step without the dead, and which cells survived.
        """
        cleared, survived = kept or (outs, living)  # which are not written then
        late = living if before is None else before, cleared, survived
        when = *self._when, number, int(kept is not None)
        squashed = squashed or outs  # no program takes an empty tuple
        self._launch(fields, outs, squashed, *self._given, living, *late, *when, *self._numbers)


class _ClearLaunch:
    """The launch that clears the dead: which cells live is known when all of a step has passed."""

    def __init__(self, inputs: RolloutInputs) -> None:
        from nca.backends.triton.life import clear_dead

        plan, life = inputs.weights.plan, inputs.arguments.life
        assert life is not None
        self._inputs, self._field = inputs, life.plan.field
        self._numbers = float(life.above), *inputs.sides
        self._launch = Launch(
            clear_dead,
            (-(-inputs.count // CLEARING_TILE), len(plan.levels), 1),
            {"PLAN": plan, "LIFE": life.plan, "TILE": CLEARING_TILE},
            num_warps=4,
        )

    def __call__(
        self,
        raw: tuple[Tensor, ...],
        before: Tensor,
        outs: tuple[Tensor, ...],
        squashed: tuple[Tensor, ...],
        mask: Tensor,
    ) -> None:
        """Write levels without the dead, what is computed of them, and which cells were kept.

        Args:
            raw: The levels of the plan as a step leaves them.
            before: Which cells were alive before it.
            outs: Where the levels go.
            squashed: Where goes what is computed of them.
            mask: Where goes which cells were kept.
        """
        telling = self._inputs.fields(raw)[self._field]
        self._launch(telling, raw, outs, squashed or outs, before, mask, *self._numbers)
