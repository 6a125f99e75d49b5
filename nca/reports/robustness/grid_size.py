"""Check of the grid: does it work on grids of another size or aspect?

Where the recipe can be built anew on the other grid, its task makes the samples and judges them.
Where weights are tied to the grid (a target picture, say), first states are set into the middle
of the other grid, and what stands there is cut out again and judged.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from nca.engine.state import State
from nca.errors import NCAError
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import RolloutMoment, SeedRun
from nca.reports.robustness.thresholds import HOLDS, passes
from nca.types import Size

FACTORS = {0.75: "three quarters", 1.5: "one and a half", 2.0: "twice"}
AXES = ("deep", "high", "wide")


@dataclass(frozen=True, kw_only=True)
class OtherGrid(Condition):
    """Another grid; `inserted`: the states were set into its middle."""

    size: Size
    inserted: bool = False

    @property
    @abstractmethod
    def change(self) -> str:
        """How its sides differ, in words."""

    @property
    def override(self) -> str:
        """How to set it in the recipe."""
        return f"grid.size={list(self.size)}"

    def __str__(self) -> str:
        """Return the grid in words."""
        size = "x".join(map(str, self.size))
        return f"{self.change}, {size}" + ", set into the middle" * self.inserted


@dataclass(frozen=True, kw_only=True)
class ScaledGrid(OtherGrid):
    """Every side is multiplied by one of `FACTORS`."""

    factor: float

    @property
    def change(self) -> str:
        """How its sides differ, in words."""
        return f"{FACTORS[self.factor]} the sides"


@dataclass(frozen=True, kw_only=True)
class StretchedGrid(OtherGrid):
    """One side is doubled, named as in `AXES`."""

    axis: str

    @property
    def change(self) -> str:
        """How its sides differ, in words."""
        return f"twice as {self.axis}"


def _scaled(size: Size, coarsest: int) -> list[OtherGrid]:
    def to(by: float) -> Size:
        return tuple(coarsest * max(1, round(side // coarsest * by)) for side in size)

    return [ScaledGrid(factor=by, size=to(by)) for by in FACTORS]


def _stretched(size: Size, coarsest: int) -> list[OtherGrid]:
    return [
        StretchedGrid(
            axis=axis,
            size=tuple(side * (2 if place == doubled else 1) for place, side in enumerate(size)),
        )
        for doubled, axis in enumerate(AXES[-len(size) :])
    ]


def _on(
    grids: Callable[[Size, int], Sequence[OtherGrid]],
) -> Callable[[ModelUnderTest, SeedRun], Iterator[CheckResult]]:
    def run(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
        coarsest = model.trained.automaton.layout.coarsest
        for grid in grids(model.trained.recipe.tables.grid.size, coarsest):
            yield _result(grid, model, seed_run)

    return run


def _result(grid: OtherGrid, model: ModelUnderTest, seed_run: SeedRun) -> CheckResult:
    try:
        moment, metrics = _anew(grid.override, model, seed_run)
    except NCAError as fault:
        layout = model.trained.automaton.layout
        given = any(level.input for level in layout.values())
        # what an empty input means is the task's to say
        state = None if given else _set_into(seed_run.batch.state, grid.size)
        if state is None:
            return CheckResult(grid, model.plan.steps, barred=fault.what)
        (moment,) = seed_run.rollout(state, [model.plan.steps])
        back = _set_into(moment.state, model.trained.recipe.tables.grid.size, whole=False)
        assert back is not None
        return seed_run.result(replace(grid, inserted=True), moment, seed_run.measure(back))
    return seed_run.result(grid, moment, metrics, overrides=(grid.override,))


def _anew(
    override: str, model: ModelUnderTest, seed_run: SeedRun
) -> tuple[RolloutMoment, dict[str, float]]:
    other = model.changed(override, task=True)
    batch = seed_run.begun(model.samples_of(other.task)[seed_run.number])
    (moment,) = seed_run.rollout(batch.state, [model.plan.steps], automaton=other.automaton)
    return moment, seed_run.measure(
        moment.state, batch=batch, task=other.task, automaton=other.automaton
    )


def _set_into(state: State, size: Size, *, whole: bool = True) -> State | None:
    """Return a state in the middle of another grid, empty around it.

    Args:
        state: On whatever grid.
        size: Of the other grid.
        whole: Whether nothing may be lost: then None where it would be.
    """
    coarsest = max(state.scale(name) for name in state)
    margins: list[int] = []
    for have, want in zip(state.grid_size[::-1], size[::-1], strict=True):
        # a cell in the middle stays in the middle, where there are an even number of sides too
        before = (want // 2 - have // 2) // coarsest * coarsest
        margins += [before, want - have - before]

    def moved(level: Tensor) -> Tensor:
        scale = state.grid_size[0] // level.shape[2]
        return F.pad(level, [margin // scale for margin in margins])

    new = state.map(moved)
    if whole and any((new[n] != 0).sum() != (state[n] != 0).sum() for n in state):
        return None
    return new


SIZE = Check(
    "grid size",
    "Does it bear grids of another size?",
    "grid sizes",
    "The same samples on a smaller or larger grid; a task that knows its grid by its weights "
    f"judges the middle of it. {HOLDS}",
    ScaledGrid,
    _on(_scaled),
    passes,
)

ASPECT = Check(
    "aspect",
    "Does it bear grids of another aspect?",
    "aspects",
    f"The same with one side of the grid doubled. {HOLDS}",
    StretchedGrid,
    _on(_stretched),
    passes,
)
