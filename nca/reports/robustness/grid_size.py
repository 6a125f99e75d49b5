"""Does it bear grids of another size or aspect?

Where the recipe can be built anew on the other grid, its task makes the samples and judges them.
Where weights are tied to the grid (a target picture, say), first states are set into the middle
of the other grid, and what stands there is cut out again and judged.
"""

from collections.abc import Callable, Iterator

import torch.nn.functional as F
from torch import Tensor

from nca.errors import NCAError
from nca.reports.robustness.check import Check, CheckResult
from nca.reports.robustness.model import ModelUnderTest, RolloutMoment, SeedRun
from nca.reports.robustness.thresholds import HOLDS, holds
from nca.state import State
from nca.types import Size

SIZES = {"three quarters": 0.75, "one and a half": 1.5, "twice": 2.0}


def _sizes(size: Size) -> dict[str, Size]:
    return {
        f"{words} the sides": tuple(max(1, round(side * factor)) for side in size)
        for words, factor in SIZES.items()
    }


def _aspects(size: Size) -> dict[str, Size]:
    words = ("twice as deep", "twice as high", "twice as wide")[-len(size) :]
    return {
        word: tuple(side * (2 if place == axis else 1) for place, side in enumerate(size))
        for axis, word in enumerate(words)
    }


def _on(conditions: Callable[[Size], dict[str, Size]]) -> Callable[..., Iterator[CheckResult]]:
    def answer(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
        own = model.trained.recipe.tables.grid.size
        for words, size in conditions(own).items():
            yield _row(f"{words}, {'x'.join(map(str, size))}", size, model, seed_run)

    return answer


def _row(words: str, size: Size, model: ModelUnderTest, seed_run: SeedRun) -> CheckResult:
    override = f"grid.size={list(size)}"
    try:
        moment, metrics = _anew(override, model, seed_run)
    except NCAError as fault:
        layout = model.trained.automaton.layout
        given = any(level.input for level in layout.values())
        # what an empty input means is the task's to say
        state = None if given else _set_into(seed_run.batch.state, size)
        if state is None:
            return CheckResult(words, model.plan.steps, barred=fault.what)
        (moment,) = seed_run.walk(state, [model.plan.steps])
        back = _set_into(moment.state, model.trained.recipe.tables.grid.size, whole=False)
        assert back is not None
        return seed_run.row(f"{words}, set into the middle", moment, seed_run.measure(back))
    return seed_run.row(words, moment, metrics, overrides=(override,))


def _anew(
    override: str, model: ModelUnderTest, seed_run: SeedRun
) -> tuple[RolloutMoment, dict[str, float]]:
    other = model.changed(override, task=True)
    batch = seed_run.begun(model.samples_of(other.task)[seed_run.number])
    (moment,) = seed_run.walk(batch.state, [model.plan.steps], automaton=other.automaton)
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
    margins: list[int] = []
    for have, want in zip(_size(state)[::-1], size[::-1], strict=True):
        # a cell in the middle stays in the middle, where there are an even number of sides too
        before = want // 2 - have // 2
        margins += [before, want - have - before]

    def moved(level: Tensor) -> Tensor:
        return F.pad(level, margins)

    new = state.map(moved)
    if whole and any((new[n] != 0).sum() != (state[n] != 0).sum() for n in state):
        return None
    return new


def _size(state: State) -> Size:
    return state.size(next(iter(state)))


def _one_grid(model: ModelUnderTest) -> str:
    sizes = {model.batches[0].state.size(name) for name in model.trained.automaton.layout}
    return "" if len(sizes) == 1 else "its levels have grids of different sizes"


SIZE = Check(
    "grid size",
    "Does it bear grids of another size?",
    "grid sizes",
    "The same samples on a smaller or larger grid; a task that knows its grid by its weights "
    f"judges the middle of it. {HOLDS}",
    _on(_sizes),
    holds,
    _one_grid,
)

ASPECT = Check(
    "aspect",
    "Does it bear grids of another aspect?",
    "aspects",
    f"The same with one side of the grid doubled. {HOLDS}",
    _on(_aspects),
    holds,
    _one_grid,
)
