"""Run the trained automaton and its controls over the same samples, and measure all alike."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nca import analysis
from nca.automaton import Automaton
from nca.batch import Batch
from nca.evaluation import precision
from nca.noise import Source
from nca.state import State
from nca.study.figures import Figures, joined, level_figures, state_figures
from nca.study.plan import Plan
from nca.trained import Trained

BATCH = 50
TRAINED, UNTRAINED, SHUFFLED = "trained", "untrained", "shuffled"
COURSE = ("contrast", "collapse", "islands", "weighted area")


@dataclass
class Arm:
    """What was measured of the automaton, or of a control.

    Attributes:
        figures: By name, see `nca.study.figures`; besides, `course, NAME, FIGURE` is
            `(B, moments)`, `change, NAME` the relative change of each step, `(B, T)`.
        states: A few samples, at step 0 and every moment.
    """

    figures: Figures = field(default_factory=dict)
    states: list[State] = field(default_factory=list)

    def still(self, name: str) -> bool:
        """Tell whether a level has never changed."""
        return not (self.figures["change", name] > 0).any()


@dataclass(frozen=True)
class Study:
    """A study that has been done.

    Attributes:
        trained: What was studied.
        plan: How.
        levels: The levels that are not input, bottom level first.
        arms: The trained automaton and its controls, by name.
        samples: Over how many samples.
        pictures: What the task shows of the kept samples, `(B, 3, height, width)` per moment.
    """

    trained: Trained
    plan: Plan
    levels: list[str]
    arms: Mapping[str, Arm]
    samples: int
    pictures: list[Tensor]

    @property
    def own(self) -> Arm:
        """The trained automaton itself."""
        return self.arms[TRAINED]

    @property
    def controls(self) -> dict[str, Arm]:
        """All arms but the trained automaton."""
        return {name: arm for name, arm in self.arms.items() if name != TRAINED}

    def figures(self, *name: str) -> dict[str, Tensor]:
        """Return a figure of every arm that has it."""
        return {arm: own.figures[name] for arm, own in self.arms.items() if name in own.figures}


@torch.no_grad()
def study(trained: Trained, plan: Plan, watch: Callable[[int], Any] | None = None) -> Study:
    """Measure a trained automaton whose task is prepared, and its controls.

    Args:
        trained: Checkpoint, recipe, automaton and task.
        plan: What to measure.
        watch: Told how many samples are done, over all arms.
    """
    arms: dict[str, Arm] = {}
    done = 0

    def tick(samples: int) -> None:
        nonlocal done
        done += samples
        if watch:
            watch(done)

    for name in arm_names(trained):
        arms[name] = _arm(trained, name, plan, tick)
    pictures = [trained.task.picture(state) for state in arms[TRAINED].states]
    levels = trained.automaton.written
    return Study(trained, plan, levels, arms, done // len(arms), pictures)


def arm_names(trained: Trained) -> list[str]:
    """Return what can be run: there is nothing to shuffle where no level holds an input."""
    has_input = any(level.input for level in trained.automaton.layout.values())
    return [TRAINED, UNTRAINED, *([SHUFFLED] if has_input else [])]


def shuffled(state: State, trained: Trained) -> State:
    """Return first states whose input cells have changed places, by chance and in each sample.

    All input levels of a sample are shuffled alike.
    """
    source = Source(trained.recipe.tables.random_seed, 0, state.samples)
    levels = {}
    for name, level in trained.automaton.layout.items():
        if level.input:
            size = state.size(name)
            order = source.bits("study/shuffle", 1, size).flatten(2).argsort(dim=2, stable=True)
            cells = state[name].flatten(2)
            moved = cells.gather(2, order.expand(cells.shape))
            levels[name] = moved.view(state[name].shape)
    return state.replace(levels)


def _arm(trained: Trained, name: str, plan: Plan, tick: Callable[[int], None]) -> Arm:
    automaton = trained.automaton
    if name == UNTRAINED:
        automaton = trained.recipe.automaton().to(trained.device).eval()
    arm, parts = Arm(), []
    for batch in _batches(trained, plan):
        state, truth = batch.state, trained.task.segments(batch)
        if name == SHUFFLED:  # what is shuffled has no segments
            state, truth = shuffled(state, trained), {}
        part, states = _walk(trained, automaton, state, truth, plan)
        parts.append(part)
        arm.states = arm.states or states
        tick(state.batch)
    arm.figures = joined(parts)
    return arm


def _batches(trained: Trained, plan: Plan) -> Iterator[Batch]:
    done = 0
    for batch in trained.task.trials(plan.split, min(BATCH, trained.recipe.tables.evaluate.batch)):
        if plan.samples and done + batch.state.batch > plan.samples:
            batch = batch.select(slice(0, plan.samples - done))
        done += batch.state.batch
        yield batch
        if plan.samples and done >= plan.samples:
            return


def _walk(
    trained: Trained, automaton: Automaton, state: State, truth: Mapping[str, Tensor], plan: Plan
) -> tuple[Figures, list[State]]:
    names, topology = automaton.written, automaton.topology
    figures: Figures = {}
    changes: dict[str, list[Tensor]] = {name: [] for name in names}
    course: dict[tuple[str, str], list[Tensor]] = {}
    kept = [_shown(automaton, state, plan)]
    for step in range(1, plan.moments[-1] + 1):
        before = state
        with precision(trained.recipe, trained.device):
            state = automaton.step(state)
        for name in names:
            changes[name].append(analysis.relative_change(before[name], state[name]))
        if step not in plan.moments:
            continue
        kept.append(_shown(automaton, state, plan))
        read = automaton.finish(state)
        for name in names:
            told = level_figures(name, read[name], topology, plan)
            for figure in COURSE:
                course.setdefault((name, figure), []).append(told["level", name, figure])
        if step == plan.steps:
            seed = trained.recipe.tables.random_seed
            figures |= state_figures(read, names, truth, topology, plan, seed)
    for name in names:
        figures["change", name] = torch.stack(changes[name], dim=1)
        figures["level", name, "settled"] = analysis.settling_time(figures["change", name])
    figures |= {("course", *key): torch.stack(rows, dim=1) for key, rows in course.items()}
    return {name: value.cpu() for name, value in figures.items()}, kept


def _shown(automaton: Automaton, state: State, plan: Plan) -> State:
    return automaton.finish(state).select(slice(0, plan.shown)).replace(remembered=())
