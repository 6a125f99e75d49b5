"""Check of rotation: does it work as well turned, when its perception is turned?

By quarter turns, first states are turned along and the outcome is turned back, which loses
nothing. By other angles the outcome is turned back by interpolation, and is compared with the
unturned one interpolated forth and back; first states stay as they are, so that there must be no
input.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nca.engine.state import State
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.thresholds import HOLDS, passes

QUARTERS = (1, 2, 3)
DEGREES = (30, 45)


@dataclass(frozen=True)
class Rotation(Condition):
    """The perception is turned by so many degrees."""

    degrees: int

    def __str__(self) -> str:
        """Return the angle in words."""
        return f"{self.degrees} degrees" + ", interpolated" * bool(self.degrees % 90)


def rotated(level: Tensor, angle: float, pivot: Sequence[float]) -> Tensor:
    """Turn `(B, C, H, W)` back by an angle, bilinearly and across the edges of the torus.

    Args:
        level: What a turned perception has led to.
        angle: Of that perception, in radians.
        pivot: The place that stays, `(y, x)` in cells.
    """
    height, width = level.shape[-2:]
    down = torch.arange(height, device=level.device, dtype=torch.float64)[:, None] - pivot[0]
    across = torch.arange(width, device=level.device, dtype=torch.float64)[None, :] - pivot[1]
    cosine, sine = math.cos(angle), math.sin(angle)
    y = pivot[0] + down * cosine - across * sine  # (H, W)
    x = pivot[1] + down * sine + across * cosine
    found = torch.zeros_like(level)
    for dy in (0, 1):
        for dx in (0, 1):
            row, column = y.floor() + dy, x.floor() + dx
            weight = (1 - (y - row).abs()) * (1 - (x - column).abs())
            taken = level[:, :, row.long() % height, column.long() % width]
            found += taken * weight.to(level.dtype)
    return found


def _turn(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    steps, angles = [model.plan.steps], _angles(model)
    if not _inputs(model):
        pivot = _pivot(seed_run.batch.state)
        for degrees in DEGREES:
            angle = math.radians(degrees)
            overrides = tuple(f"{key}={own + angle!r}" for key, own in angles.items())
            automaton = model.changed(*overrides).automaton
            (moment,) = seed_run.rollout(seed_run.batch.state, steps, automaton=automaton)
            back = moment.state.map(lambda t, by=angle: rotated(t, by, pivot))
            blurred = seed_run.clean.state.map(
                lambda t, by=angle: rotated(rotated(t, -by, pivot), by, pivot)
            )
            row = seed_run.result(
                Rotation(degrees),
                moment,
                seed_run.measure(back),
                overrides=overrides,
            )
            unchanged = seed_run.measure(blurred)[model.headline]
            yield replace(row, unchanged=unchanged)
    for quarters in QUARTERS:
        overrides = tuple(f"{key}={own + quarters * math.pi / 2!r}" for key, own in angles.items())
        automaton = model.changed(*overrides).automaton
        along = seed_run.batch.state.map(lambda t, by=quarters: torch.rot90(t, by, (-2, -1)))
        (moment,) = seed_run.rollout(along, steps, automaton=automaton)
        back = moment.state.map(lambda t, by=quarters: torch.rot90(t, -by, (-2, -1)))
        measured = seed_run.measure(back)
        yield seed_run.result(Rotation(90 * quarters), moment, measured, overrides=overrides)


def _angles(model: ModelUnderTest) -> dict[str, float]:
    """Return the key of every rule that can turn, with its own angle."""
    automaton = model.trained.automaton
    return {
        f"levels.{name}.rules.{number}.angle": float(rule.angle)  # pyright: ignore
        for name in automaton.writable_levels
        for number, rule in enumerate(automaton.rules_of(name))
        if hasattr(rule, "angle")
    }


def _inputs(model: ModelUnderTest) -> bool:
    return any(level.input for level in model.trained.automaton.layout.values())


def _pivot(state: State) -> list[float]:
    """Return the middle of what first states hold, or of the grid where they are full or empty."""
    held = torch.stack([level.ne(0).flatten(0, 1).any(dim=0) for level in state.values()]).any(0)
    if not held.any() or held.all():
        return [side // 2 for side in held.shape]
    places = held.nonzero()
    return ((places.amin(0) + places.amax(0)) / 2).tolist()


def _cannot_turn(model: ModelUnderTest) -> str:
    if len(model.trained.recipe.tables.grid.size) != 2:
        return "perception turns in grids of two axes only"
    return "" if _angles(model) else "none of its rules has an angle to turn its perception by"


ROTATION = Check(
    "rotation",
    "Does it work turned as it works upright?",
    "turns",
    "The perception of every rule that has an angle is turned, and the outcome is turned back "
    "before it is judged. Quarter turns lose nothing; other angles interpolate, and are compared "
    f"with the unturned outcome interpolated forth and back. {HOLDS}",
    Rotation,
    _turn,
    passes,
    _cannot_turn,
)
