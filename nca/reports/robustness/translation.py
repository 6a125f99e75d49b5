"""Check of translation: it must be the same everywhere on the torus, exactly."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.summary import CheckSummary
from nca.types import Size

SAMPLES = 2

DIFFERENCE = "largest difference"
"""The figure that a condition has in place of a headline."""

EXACT = 1e-9
"""What is less, as a share of the largest number, is rounding in double precision."""


@dataclass(frozen=True)
class Translation(Condition):
    """The state is moved by so many cells along each axis."""

    offset: Size

    def __str__(self) -> str:
        """Return the offset in words."""
        return f"moved by {', '.join(map(str, self.offset))}"


def _move(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    automaton = copy.deepcopy(model.trained.automaton).double()
    automaton.noise = None  # chance is counted by cell, and does not move along
    state = seed_run.batch.state.select(slice(0, SAMPLES)).map(lambda level: level.double())
    states = [state]
    for _ in range(model.plan.steps - 1):
        seed_run.pulse.beat()
        states.append(automaton.step(states[-1]))
    layout, size = automaton.layout, model.trained.recipe.tables.grid.size
    for offset in _offsets(size, layout.coarsest):
        axes = tuple(range(-len(offset), 0))
        own = {n: tuple(by // level.scale for by in offset) for n, level in layout.items()}
        largest = 0.0
        for before in states:
            seed_run.pulse.beat()
            straight = automaton.step(before, fire_rate=1.0)
            moved = before.replace({n: level.roll(own[n], axes) for n, level in before.items()})
            moved = automaton.step(moved, fire_rate=1.0)
            for name in automaton.writable_levels:
                apart = (moved[name] - straight[name].roll(own[name], axes)).abs().max()
                most = straight[name].abs().max().clamp(min=1.0)
                largest = max(largest, (apart / most).item())
        yield CheckResult(Translation(offset), model.plan.steps, figures={DIFFERENCE: largest})


def _offsets(grid: Size, coarsest: int) -> list[Size]:
    """Return a cell of the coarsest level along each axis, half of the grid, and beyond it."""
    size = tuple(side // coarsest for side in grid)
    ones = [tuple(int(i == axis) for i in range(len(size))) for axis in range(len(size))]
    half = tuple(side // 2 for side in size)
    beyond = tuple(side + 3 + 2 * axis for axis, side in enumerate(size))
    return [tuple(coarsest * by for by in offset) for offset in (*ones, half, beyond)]


def _exact(line: CheckSummary, model: ModelUnderTest) -> bool:
    return line.figures[DIFFERENCE].mean <= EXACT


def _has_edges(model: ModelUnderTest) -> str:
    automaton, size = model.trained.automaton, model.trained.recipe.tables.grid.size
    edges = set(automaton.topology.of(len(size))) - {"torus"}
    if edges:
        return f"the grid has edges: {', '.join(sorted(edges))}"
    return "its cells know where in the grid they are" if automaton.coordinates else ""


TRANSLATION = Check(
    "translation",
    "Is it the same everywhere on the torus?",
    "translations",
    "Each state on the way is moved and then stepped, and stepped and then moved, in double "
    "precision, all cells firing, without noise. The largest difference, as a share of the "
    f"level's largest number, must not exceed {EXACT:g}, which is rounding.",
    Translation,
    _move,
    _exact,
    _has_edges,
)
