"""Check of adversaries: some cells hold random values in every step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.reports.robustness.check import Check
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult, Condition
from nca.reports.robustness.seed_run import SeedRun
from nca.reports.robustness.thresholds import HOLDS, passes

SHARES = (0.0, 0.01, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Adversaries(Condition):
    """A share of the cells says random things."""

    share: float

    def __str__(self) -> str:
        """Return the share in per cent."""
        return f"{100 * self.share:g} % of the cells"


def _lie(model: ModelUnderTest, seed_run: SeedRun) -> Iterator[CheckResult]:
    steps = model.plan.steps
    for share in SHARES:
        (moment,) = seed_run.rollout(
            seed_run.batch.state, [steps], before=liars(model, seed_run, share)
        )
        metrics = seed_run.measure(moment.state)
        (later,) = seed_run.rollout(moment.state, [steps])
        figures = {"once they stop": seed_run.measure(later.state)[model.headline]}
        row = seed_run.result(Adversaries(share), moment, metrics)
        unchanged = row.unchanged if share else None  # without any, it is what it is compared with
        yield replace(row, figures=figures, unchanged=unchanged)


def liars(model: ModelUnderTest, seed_run: SeedRun, share: float) -> Callable[[State], State]:
    """Return what a share of the cells does to a state before each step.

    The same cells of a sample lie from the first step to the last, and each time say something
    else: normal numbers of the size that their level has after the trained steps. Those of a
    smaller share are among those of a larger one.
    """
    automaton = model.trained.automaton
    held = seed_run.clean.state.map(lambda level: level.float().nan_to_num(0, 0, 0))
    sizes = {name: held[name].square().mean().sqrt().item() for name in automaton.writable_levels}

    def lie(state: State) -> State:
        levels, living = {}, automaton.alive_mask(state)
        once = CellRNG(seed_run.random_seed, 0, state.samples)
        for name in automaton.writable_levels:
            size = state.size(name)
            chosen = once.chance("adversaries", share, 1, size)
            if living is not None:
                chosen = chosen & automaton.spec.alive_on(name, living)
            channels = automaton.layout[name].channels
            said = state.rng.normal(f"adversaries/{name}", channels, size) * sizes[name]
            levels[name] = said.to(state[name].dtype).where(chosen, state[name])
        return state.replace(levels)

    return lie


ADVERSARIES = Check(
    "adversaries",
    "Does it bear cells that say random things?",
    "shares of adversaries",
    "A share of the cells, the same ones from the first step to the last, says something random "
    "before every step: normal numbers as large as its level's after the trained steps. Where an "
    "alive mask tells life, only live cells do. Then they stop, and the samples go on for as many "
    f"steps again. {HOLDS}",
    Adversaries,
    _lie,
    passes,
)
