"""Rollouts of the trained automaton and its controls over the same samples, measured alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nca import analysis
from nca.checkpoint.trained import Trained
from nca.engine.automaton import Automaton
from nca.engine.rng import CellRNG
from nca.engine.rollouts import has_diverged
from nca.engine.state import State
from nca.errors import ShapeError
from nca.progress import SILENT, Progress
from nca.reports.islands.measures import (
    Figures,
    joined,
    level_figures,
    probe_figures,
    state_figures,
)
from nca.reports.islands.plan import IslandsPlan
from nca.tasks.batch import Batch

BATCH = 50
TRAINED, UNTRAINED, SHUFFLED = "trained", "untrained", "shuffled"
COURSE = ("contrast", "collapse", "islands", "weighted area", "energy")


@dataclass
class Group:
    """What was measured of the automaton, or of a control.

    Attributes:
        figures: By name, see `nca.reports.islands.measures`; besides, `course, NAME, FIGURE` is
            `(B, moments)`, `change, NAME` the relative change of each step, `(B, T)`;
            beyond the step that counts, both are NaN for samples that were not followed.
        states: A few samples, at step 0 and every moment.
    """

    figures: Figures = field(default_factory=dict)
    states: list[State] = field(default_factory=list)

    def still(self, name: str) -> bool:
        """Tell whether a level has never changed."""
        changed = (self.figures["change", name] > 0).any()
        return not (changed or self.figures["sample", "diverged"].any())


@dataclass(frozen=True)
class IslandsResult:
    """What was measured of an automaton and its controls.

    Attributes:
        trained: What was measured.
        plan: How.
        levels: The levels that are not input, bottom level first.
        groups: The trained automaton and its controls, by name.
        samples: Over how many samples.
        pictures: What the task shows of the kept samples, `(B, 3, height, width)` per moment.
    """

    trained: Trained
    plan: IslandsPlan
    levels: list[str]
    groups: Mapping[str, Group]
    samples: int
    pictures: list[Tensor]

    @property
    def followed(self) -> int:
        """How many samples went on beyond the step that counts."""
        return min(self.plan.followed, self.samples)

    @property
    def own(self) -> Group:
        """The trained automaton itself."""
        return self.groups[TRAINED]

    @property
    def controls(self) -> dict[str, Group]:
        """All groups but the trained automaton."""
        return {name: group for name, group in self.groups.items() if name != TRAINED}

    def figures(self, *name: str) -> dict[str, Tensor]:
        """Return a figure of every group that has it."""
        return {
            group: own.figures[name] for group, own in self.groups.items() if name in own.figures
        }


def demand_plane(trained: Trained) -> None:
    """Refuse grids that the report cannot show.

    Raises:
        ShapeError: The grid has not two axes.
    """
    size = trained.recipe.tables.grid.size
    if len(size) != 2:
        raise ShapeError(
            f"the report needs a grid of two axes, but this one has {len(size)}.",
            where=f"{trained.path}, [grid] size = {list(size)}",
            to_do="measure it in Python: nca.analysis takes one, two or three axes",
        )


@torch.no_grad()
def measure_islands(
    trained: Trained, plan: IslandsPlan, progress: Progress = SILENT
) -> IslandsResult:
    """Measure a trained automaton whose task is prepared, and its controls.

    Args:
        trained: Checkpoint, recipe, automaton and task.
        plan: What to measure.
        progress: Where it is reported how many samples are done, over all groups.
    """
    groups: dict[str, Group] = {}
    names, done = group_names(trained), 0
    total = (len(plan.pictures) or plan.samples) * len(names) or None
    progress.begin("islands", total, unit="samples")
    for name in names:
        groups[name], done = _group(trained, name, plan, progress, done)
    pictures = [trained.task.picture(state) for state in groups[TRAINED].states]
    levels = trained.automaton.writable_levels
    return IslandsResult(trained, plan, levels, groups, done // len(groups), pictures)


def group_names(trained: Trained) -> list[str]:
    """Return what can be run: there is nothing to shuffle where no level holds an input."""
    has_input = any(level.input for level in trained.automaton.layout.values())
    return [TRAINED, UNTRAINED, *([SHUFFLED] if has_input else [])]


def shuffled(state: State, trained: Trained) -> State:
    """Return first states whose input cells have changed places, by chance and in each sample.

    All input levels of a sample are shuffled alike.
    """
    source = CellRNG(trained.recipe.tables.random_seed, 0, state.samples)
    levels = {}
    for name, level in trained.automaton.layout.items():
        if level.input:
            size = state.size(name)
            order = source.bits("study/shuffle", 1, size).flatten(2).argsort(dim=2, stable=True)
            cells = state[name].flatten(2)
            moved = cells.gather(2, order.expand(cells.shape))
            levels[name] = moved.view(state[name].shape)
    return state.replace(levels)


def _group(
    trained: Trained, name: str, plan: IslandsPlan, progress: Progress, done: int
) -> tuple[Group, int]:
    """Measure one group; return it, and how many samples are done with it."""
    automaton = trained.automaton
    if name == UNTRAINED:
        automaton = trained.recipe.automaton().to(trained.device).eval()
    group, parts, to_follow = Group(), [], plan.followed
    probed: list[Batch] = []
    for batch in _batches(trained, plan):
        state, truth = batch.state, trained.task.segments(batch)
        categories = trained.task.categories(batch)
        if name == SHUFFLED:  # what is shuffled has no segments, and is nothing
            state, truth, categories = shuffled(state, trained), {}, {}
        if plan.pictures:  # of which no truth is known
            truth, categories = {}, {}
        guesses = trained.task.guesses(batch) if truth else {}
        follow = min(to_follow, state.batch)
        measuring = _Measuring(trained, automaton, plan, state.batch)
        parts.append(measuring.figures(state, truth, guesses, follow))
        group.states = group.states or measuring.kept
        if categories:
            probed.append(Batch(measuring.read, categories))
        to_follow -= follow
        done += state.batch
        progress.advance(done, name)
    group.figures = joined(parts)
    if probed:
        whole = Batch.cat(probed)
        group.figures |= probe_figures(whole.state, whole.truth)
    return group, done


def _batches(trained: Trained, plan: IslandsPlan) -> Iterator[Batch]:
    done = 0
    if plan.pictures:
        yield _pictured(trained, plan.pictures)
        return
    for batch in trained.task.evaluation_batches(
        plan.split, min(BATCH, trained.recipe.tables.evaluate.batch)
    ):
        if plan.samples and done + batch.state.batch > plan.samples:
            batch = batch.select(slice(0, plan.samples - done))
        done += batch.state.batch
        yield batch
        if plan.samples and done >= plan.samples:
            return


def _pictured(trained: Trained, pictures: Sequence[Tensor]) -> Batch:
    """Return first states that see a person's pictures.

    Raises:
        ShapeError: The task takes no pictures as input.
    """
    task = trained.task
    if "input" not in task.roles:
        raise ShapeError(
            f"the task of {trained.recipe.name} takes no pictures as input.",
            where=f"it takes them as: {', '.join(task.roles) or 'nothing'}",
            to_do="measure the task's own samples: leave --image out",
        )
    first = task.first_evaluation_batch("test", 1)
    seen = []
    for number, picture in enumerate(pictures):
        own = first.state.replace(samples=torch.full_like(first.state.samples, -1 - number))
        # nothing of the sample that it takes the place of may show through
        opaque = torch.cat([picture[:3] * picture[3:], torch.ones_like(picture[3:])])
        seen.append(task.apply_picture(Batch(own, first.truth), opaque.to(trained.device), "input"))
    return Batch.cat(seen)


class _Measuring:
    """One batch on its way, and what is noted of it."""

    def __init__(
        self, trained: Trained, automaton: Automaton, plan: IslandsPlan, batch: int
    ) -> None:
        self.trained, self.automaton, self.plan, self.batch = trained, automaton, plan, batch
        self.names = automaton.writable_levels
        self.kept: list[State] = []
        self.diverged_at = torch.full((batch,), torch.nan, dtype=torch.float64)
        self.changes: dict[str, list[Tensor]] = {name: [] for name in self.names}
        self.course: dict[tuple[str, str], list[Tensor]] = {
            (name, figure): [] for name in self.names for figure in COURSE
        }

    def figures(
        self,
        state: State,
        truth: Mapping[str, Tensor],
        guesses: Mapping[str, Tensor],
        follow: int,
    ) -> Figures:
        """Walk all samples to the step that counts, and `follow` of them beyond."""
        plan, topology = self.plan, self.automaton.topology
        self._keep(state)
        state = self._advance(state, range(1, plan.steps + 1))
        seed = self.trained.recipe.tables.random_seed
        read = self.automaton.finish(state)
        self.read = read.replace(remembered=())
        figures = state_figures(read, self.names, truth, guesses, topology, plan, seed)
        if follow:
            beyond = range(plan.steps + 1, plan.moments[-1] + 1)
            self._advance(state.select(slice(0, follow)), beyond)
        for name in self.names:
            changes = self._columns(self.changes[name], plan.moments[-1])
            figures["change", name] = changes
            settled = analysis.settling_time(changes)
            # who was not followed may have settled later, and who diverged has not settled
            settled[follow:] = torch.nan
            settled[~self.diverged_at.isnan()] = torch.nan
            figures["level", name, "settled"] = settled
        figures["sample", "diverged"] = (~self.diverged_at.isnan()).double()
        figures["sample", "diverged at"] = self.diverged_at
        for key, rows in self.course.items():
            figures["course", *key] = self._columns(rows, len(plan.moments))
        return {name: value.cpu() for name, value in figures.items()}

    def _advance(self, state: State, steps: range) -> State:
        for step in steps:
            before = state
            with self.trained.recipe.autocast(self.trained.device):
                state = self.automaton.step(state)
            new = has_diverged(state, self.names).cpu() & self.diverged_at[: state.batch].isnan()
            self.diverged_at[: state.batch][new] = step
            for name in self.names:
                self.changes[name].append(analysis.relative_change(before[name], state[name]))
            if step in self.plan.moments:
                self._keep(state)
                self._note(self.automaton.finish(state))
        return state

    def _note(self, read: State) -> None:
        for name in self.names:
            figures = level_figures(name, read[name], self.automaton.topology, self.plan)
            for figure in COURSE:
                self.course[name, figure].append(figures["level", name, figure])

    def _keep(self, state: State) -> None:
        shown = self.automaton.finish(state).select(slice(0, self.plan.shown))
        self.kept.append(shown.replace(remembered=()))

    def _columns(self, rows: list[Tensor], count: int) -> Tensor:
        """Return rows `(b,)` side by side, `(B, count)`; NaN for samples that were not followed."""
        table = torch.full((self.batch, count), torch.nan, dtype=torch.float64)
        for place, row in enumerate(rows):
            table[: len(row), place] = row.cpu()
        return table
