"""Check of damage: does it heal what is cut out of it, and how long does that take?

The same samples go on undamaged beside the damaged ones, so that what time does to them is not
taken for the wound.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nca.engine.rng import CellRNG
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import RolloutMoment, SeedRun
from nca.reports.robustness.summary import CheckSummary
from nca.tasks.batch import Batch
from nca.tasks.damage import Damage, Shape

LEFT = 0.1
"""A wound is healed once so little of the harm is left, or of the undamaged headline if less."""

LEAST = 0.02
"""A difference of this share of the undamaged headline is no harm."""

HEALED, STEPS_TO_HEAL = "healed", "steps to heal"
"""Figures: whether a wound has healed, 1 or 0, and after how many steps; NaN: never."""

RECOVERY = "recovery in %"
"""Figure: how much of what was lost has come back at the end; NaN: nothing was lost."""

WITHIN = 4
"""The damaged are followed for so many times the trained steps."""

FIRST = (
    Damage("disc", 0.05, "middle"),
    Damage("disc", 0.2, "middle"),
    Damage("disc", 0.05, "anywhere"),
    Damage("disc", 0.2, "anywhere"),
    Damage("half", 0.5, "top"),
    Damage("half", 0.5, "bottom"),
    Damage("half", 0.5, "left"),
    Damage("half", 0.5, "right"),
    Damage("scatter", 0.1, "anywhere"),
    Damage("scatter", 0.3, "anywhere"),
    Damage("scatter", 0.6, "anywhere"),
)
"""After the trained steps."""

OTHERS = (
    Damage("disc", 0.2, "middle"),
    Damage("half", 0.5, "left"),
    Damage("scatter", 0.3, "anywhere"),
)
"""Earlier and later: after half and four times the trained steps."""


@dataclass(frozen=True)
class Wound(Condition):
    """Damage after so many steps, as `Damage` describes it; without a shape there is none."""

    at: int
    shape: Shape | None = None
    size: float = 0.0
    place: str = ""

    @classmethod
    def of(cls, damage: Damage, at: int) -> "Wound":
        """Return the wound that damage makes after so many steps."""
        return cls(at, damage.shape, damage.size, damage.place)

    @property
    def name(self) -> str:
        """The damage in words."""
        return str(Damage(self.shape, self.size, self.place)) if self.shape else "undamaged"

    def __str__(self) -> str:
        """Return damage and moment in words."""
        return f"{self.name}, at step {self.at}"


def moments(model: ModelUnderTest) -> dict[int, Sequence[Damage]]:
    """Return which damage is done after how many steps."""
    steps = model.plan.steps
    asked = {max(1, steps // 2): OTHERS, steps: FIRST, 4 * steps: OTHERS}
    sides = len(model.trained.recipe.tables.grid.size) > 1
    return {
        step: [one for one in damages if sides or one.place not in ("top", "bottom")]
        for step, damages in asked.items()
    }


def looks(steps: int) -> list[int]:
    """Return the steps after the damage at which one looks: each at first, then ever fewer."""
    found, last = [0], WITHIN * steps
    while found[-1] < last:
        found.append(min(last, max(found[-1] + 1, math.ceil(found[-1] * 1.15))))
    return found


def _heal(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    asked = moments(model)
    for moment in seed_run.rollout(seed_run.batch.state, asked):
        unharmed = undisturbed(model, seed_run, Wound(moment.step), moment)
        yield unharmed
        for damage in asked[moment.step]:
            state = moment.state
            source = CellRNG(seed_run.random_seed, state.step, state.samples)
            cut = damage.hurt(state, source, model.trained.automaton.writable_levels)
            wound = Wound.of(damage, moment.step)
            yield recovered(model, seed_run, wound, Batch(cut, seed_run.batch.truth), unharmed)


def undisturbed(
    model: ModelUnderTest, seed_run: SeedRun, condition: Condition, begin: RolloutMoment
) -> CheckResult:
    """Return what becomes of samples that go on from a moment, with nothing changed."""
    course, last, metrics = [], begin, {}
    for last in seed_run.rollout(begin.state, looks(model.plan.steps)):
        metrics = seed_run.measure(last.state)
        course.append((last.step, metrics[model.headline]))
    row = seed_run.result(condition, last, metrics)
    steps = begin.step + last.step
    exploded_at = None if last.first is None else begin.step + last.first
    return replace(row, steps=steps, unchanged=None, exploded_at=exploded_at, curve=tuple(course))


def recovered(
    model: ModelUnderTest,
    seed_run: SeedRun,
    condition: Condition,
    disturbed: Batch,
    unharmed: CheckResult,
) -> CheckResult:
    """Return what becomes of samples that were disturbed, beside the same ones undisturbed."""
    at = looks(model.plan.steps)
    begin, well = unharmed.steps - at[-1], [value for _, value in unharmed.curve]
    course, last, metrics = [], None, {}
    for last in seed_run.rollout(disturbed.state, at):
        metrics = seed_run.measure(last.state, batch=disturbed)
        course.append((last.step, metrics[model.headline]))
    assert last is not None
    right_after, end = course[0][1], course[-1][1]
    healed_at = _healed([value for _, value in course], well, at)
    return CheckResult(
        condition,
        unharmed.steps,
        metrics,
        unchanged=well[-1],
        figures={
            "right after": right_after,
            "harm": abs(right_after - well[0]),
            HEALED: 0.0 if math.isnan(healed_at) else 1.0,
            STEPS_TO_HEAL: healed_at,
            RECOVERY: recovery(well[0], right_after, end, more=model.more_is_better),
        },
        exploded=last.exploded,
        exploded_at=None if last.first is None else begin + last.first,
        curve=tuple(course),
    )


def _healed(course: Sequence[float], well: Sequence[float], at: Sequence[int]) -> float:
    """Return after how many steps the headline is back, or NaN if it is not."""
    harm = abs(course[0] - well[0])
    for step, value, unharmed in zip(at, course, well, strict=True):
        if abs(value - unharmed) <= max(LEFT * harm, LEAST * abs(unharmed)):
            return float(step)
    return math.nan


def recovery(before: float, damaged: float, end: float, *, more: bool) -> float:
    """Return how much of what damage has taken has come back, in per cent.

    That is `100 (m_end - m_damaged) / (m_before - m_damaged)`: 0 is what was there right after
    the damage, 100 what was there before it; more or less than both is possible.

    Args:
        before: A metric before the damage.
        damaged: Right after it.
        end: When recovery is over.
        more: Whether more of the metric is better.

    Returns:
        NaN where the damage took at most 2 % of the metric, or made it better.
    """
    lost = (before - damaged) * (1 if more else -1)
    if not lost > LEAST * abs(before):
        return math.nan
    return 100 * (end - damaged) / (before - damaged)


def all_healed(line: CheckSummary, model: ModelUnderTest) -> bool | None:
    """Return whether a disturbance has healed under every random seed; None: there was none."""
    if HEALED not in line.figures:  # the undamaged
        return None
    return line.figures[HEALED].mean == 1 and not line.exploded


DAMAGE = Check(
    "damage",
    "Does it heal?",
    "kinds of damage",
    "Cells are emptied on every level but the input, and the samples are followed for "
    f"{WITHIN} times the trained steps beside the same samples undamaged. A wound has healed "
    "at the first look at which the headline differs from the undamaged one by at most "
    f"{100 * LEFT:g} % of the harm done, or by {100 * LEAST:g} % of the "
    "undamaged headline, if that is more; 0 steps: there was no harm. It counts where it "
    "heals under every random seed. Looks are at every step at first, and ever further apart, by "
    "15 % of the time since. Recovery is the share of what the damage took that is back in the "
    "end: (end - right after) / (before - right after). Sizes are shares of the grid.",
    Wound,
    _heal,
    all_healed,
)
