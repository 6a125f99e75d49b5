"""The model under test: a trained automaton with its task, and the samples of each random seed."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from torch import nn

from nca.checkpoint.trained import Trained
from nca.errors import ShapeError
from nca.recipe.recipe import Recipe
from nca.reports.robustness.plan import RobustnessPlan
from nca.tasks.batch import Batch
from nca.tasks.task import Task


@dataclass(frozen=True)
class ModelUnderTest:
    """A trained automaton whose robustness is checked; its task is prepared.

    Attributes:
        trained: Checkpoint, recipe, automaton and task.
        plan: How much is asked.
        data: Folder of data sets, if the user named one.
        cut: What the plan has cut, and why, in words.
    """

    trained: Trained
    plan: RobustnessPlan
    data: Path | None = None
    cut: tuple[str, ...] = ()
    _made: dict[tuple[str, ...], Trained] = field(default_factory=dict, repr=False)

    @classmethod
    def planned(
        cls, trained: Trained, asked: RobustnessPlan, data: Path | None, *, quick: bool = False
    ) -> "ModelUnderTest":
        """Return a model with its plan, and in words what that cuts of the usual one.

        Args:
            trained: Checkpoint, recipe, automaton and task.
            asked: How much is asked.
            data: Folder of data sets, if the user named one.
            quick: Whether fewer random seeds and samples shall do.
        """
        plan = asked.quick() if quick else asked
        return cls(trained, plan, data, tuple(plan.less_than(RobustnessPlan(asked.steps))))

    @property
    def headline(self) -> str:
        """The metric that answers are given in."""
        return self.trained.task.headline

    @property
    def more_is_better(self) -> bool:
        """Whether more of the headline is better."""
        return self.trained.task.better == "more"

    @cached_property
    def batches(self) -> list[Batch]:
        """The samples of each random seed; where the split has too few they come again."""
        return self.samples_of(self.trained.task)

    @property
    def random_seeds(self) -> list[int]:
        """The recipe's own, and those that follow it."""
        first = self.trained.recipe.tables.random_seed
        return [first + number for number in range(self.plan.seeds)]

    def samples_of(self, task: Task) -> list[Batch]:
        """Return the batch of each random seed, as a task makes them."""
        found: list[Batch] = []
        for batch in task.evaluation_batches(self.plan.split, self.plan.samples):
            if len(found) == self.plan.seeds:
                break
            if found and batch.state.batch < found[0].state.batch:
                break  # a rest of the split
            found.append(batch)
        if not found:
            raise ShapeError(
                "there is no sample to check on.",
                where=f"the {self.plan.split} split of {self.trained.recipe.name}",
                to_do="choose another split",
            )
        return [found[number % len(found)] for number in range(self.plan.seeds)]

    def changed(self, *overrides: str, task: bool = False) -> Trained:
        """Return the same weights under a recipe with overrides.

        Args:
            overrides: `table.key=value`, as on the command line.
            task: Whether the task shall be made anew and prepared, too.

        Raises:
            ShapeError: The weights do not fit the recipe so changed.
            NCAError: What the recipe or the task says against it.
        """
        key = (*overrides, *(["task"] if task else []))
        if key not in self._made:
            old = self.trained
            recipe = Recipe.parse(
                old.recipe.text,
                name=old.recipe.name,
                folder=old.recipe.folder,
                overrides=overrides,
                trained=True,
            )
            recipe = replace(recipe, precision=old.recipe.precision)
            new = replace(old, recipe=recipe, automaton=recipe.automaton())
            _same_weights(old.automaton, new.automaton)
            if task:
                new = replace(new, task=recipe.task())
                _same_weights(old.task, new.task)
                new.task.prepare(old.device, self.data)
                new.task.to(old.device).eval()
            new.automaton.to(old.device).eval()
            self._made[key] = new
        return self._made[key]


def _same_weights(old: nn.Module, new: nn.Module) -> None:
    had, has = old.state_dict(), new.state_dict()
    other = [n for n in sorted({*had, *has}) if n not in had or n not in has]
    other += [n for n in sorted({*had} & {*has}) if had[n].shape != has[n].shape]
    if other:
        raise ShapeError(
            f"weights are tied to what would change: {', '.join(other)}.",
            where=type(new).__name__,
            to_do="train another automaton for it",
        )
    new.load_state_dict(had)
