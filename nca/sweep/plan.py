"""The plan of a sweep: its combinations, their random seeds and their folders."""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nca.engine.rng import HostRNG
from nca.errors import NCAError
from nca.recipe.draft import Draft
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.sweep.errors import SweepError, SweepFault
from nca.sweep.request import SEEDS, Variant, sets_random_seed

TITLE = 60
"""Characters of a folder's name that come from the combination."""


@dataclass(frozen=True)
class Base:
    """The recipe that a sweep varies.

    Attributes:
        text: TOML, as it is in the file.
        name: What the runs are called.
        folder: Where relative paths start.
        source: The file to name in errors.
    """

    text: str
    name: str
    folder: Path
    source: str

    def recipe(self, overrides: Sequence[str]) -> Recipe:
        """Return the recipe with overrides.

        Raises:
            RecipeError: Everything that is wrong with it.
        """
        return Recipe.parse(
            self.text,
            name=self.name,
            folder=self.folder,
            overrides=overrides,
            source=self.source,
        )


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        title: Its combination, in words.
        random_seed: Its random seed.
        overrides: All that makes the recipe into this run's.
        folder: The name of its folder in the sweep's.
    """

    title: str
    random_seed: int
    overrides: tuple[str, ...]
    folder: str = ""

    @property
    def words(self) -> str:
        """What to call it where a person reads."""
        return f"{self.title} seed {self.random_seed}".lstrip()


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep trains and compares.

    Attributes:
        runs: All of them, the random seeds of a combination side by side.
        headline: The metric that orders the table.
        better: Whether more or less of it is better.
    """

    runs: tuple[PlannedRun, ...]
    headline: str
    better: str


def rooted(
    axes: Sequence[Sequence[Variant]], base: Base, common: Sequence[str]
) -> list[list[Variant]]:
    """Return axes whose variants from a file have paths from the root in place of relative ones.

    Args:
        axes: As they were given.
        base: The recipe, whose plugins are loaded.
        common: Overrides of all runs, which come before a variant's own.
    """
    return [[_rooted(each, base, common) for each in axis] for axis in axes]


def _rooted(variant: Variant, base: Base, common: Sequence[str]) -> Variant:
    if variant.folder is None:
        return variant
    given, own = [*common], []
    for override in variant.overrides:
        given.append(override)
        try:
            own.append(Draft.read(base.text, given, base.source).rooted(variant.folder))
        except RecipeError:  # said where the combination is checked
            return variant
    return replace(variant, overrides=tuple(own))


def grid(axes: Sequence[Sequence[Variant]]) -> Iterator[Variant]:
    """Yield every combination of one choice per axis, the last axis fastest."""
    return (_joined(row) for row in itertools.product(*axes))


def sample(axes: Sequence[Sequence[Variant]], count: int, random_seed: int) -> Iterator[Variant]:
    """Yield combinations drawn at random without repetition; the whole grid if it has no more.

    A larger sample of the same random seed begins with the smaller one.
    """
    count = min(count, math.prod(len(choices) for choices in axes))
    drawn: set[tuple[int, ...]] = set()
    for attempt in itertools.count():
        if len(drawn) == count:
            return
        draw = HostRNG(random_seed, attempt)
        place = tuple(draw.integer(f"axis {n}", 0, len(row) - 1) for n, row in enumerate(axes))
        if place not in drawn:
            drawn.add(place)
            yield _joined([row[i] for row, i in zip(axes, place, strict=True)])


def planned(
    base: Base,
    common: Sequence[str],
    combinations: Sequence[Variant],
    random_seeds: Sequence[int],
) -> SweepPlan:
    """Check every combination and plan its runs.

    Args:
        base: The recipe.
        common: Overrides of all runs; those of a combination come after them.
        combinations: What is compared.
        random_seeds: What is averaged over; none: the recipe's own.

    Raises:
        SweepError: Everything that is wrong with every combination.
    """
    if random_seeds and any(sets_random_seed(override) for override in common):
        raise _unplanned("--set random_seed", "contradicts --seeds.", SEEDS)
    first: dict[tuple[str, ...], str] = {}
    for choice in combinations:
        if choice.overrides in first:
            twins = f"{first[choice.overrides]}\n{choice.title}"
            raise _unplanned(twins, "are the same thing.", "give each combination once")
        first[choice.overrides] = choice.title
    recipes = _checked(base, common, combinations)
    headlines = {(task.headline, task.better) for task in (recipe.task() for recipe in recipes)}
    if len(headlines) > 1:
        names = " and ".join(sorted({name for name, _ in headlines}))
        raise _unplanned("[task] name", f"{names} cannot be compared.", "sweep each task alone")
    runs = [
        PlannedRun(choice.title, number, (*common, *choice.overrides, f"random_seed={number}"))
        for choice, recipe in zip(combinations, recipes, strict=True)
        for number in random_seeds or (recipe.tables.random_seed,)
    ]
    (headline, better) = headlines.pop()
    return SweepPlan(assign_folders(runs), headline, better)


def asked_for(
    base: Base,
    common: Sequence[str],
    combinations: Sequence[Variant],
    random_seeds: Sequence[int],
) -> set[tuple[str, ...]]:
    """Return the overrides of every run of a plan, without a check of any.

    Args:
        base: As of `planned`, like all that follow.
        common: Overrides of all runs.
        combinations: What is compared.
        random_seeds: What is averaged over.

    Raises:
        RecipeError: The recipe is no TOML.
    """
    tables = Draft.read(base.text, common, base.source).tables
    numbers = random_seeds or (tables.get("random_seed", 0),)
    return {
        (*common, *choice.overrides, f"random_seed={number}")
        for choice in combinations
        for number in numbers
    }


def assign_folders(
    runs: Sequence[PlannedRun], known: Sequence[PlannedRun] = ()
) -> tuple[PlannedRun, ...]:
    """Give every run its folder; those that are known keep the one that they have."""
    folders = {run.overrides: run.folder for run in known}
    for run in runs:
        if run.overrides not in folders:
            folders[run.overrides] = _folder(run.title, run.random_seed, folders.values())
    return tuple(replace(run, folder=folders[run.overrides]) for run in runs)


def _unplanned(where: str, what: str, to_do: str) -> SweepError:
    return SweepError("the sweep cannot be planned.", [SweepFault(where, what, to_do)])


def _joined(choices: Sequence[Variant]) -> Variant:
    overrides = itertools.chain.from_iterable(choice.overrides for choice in choices)
    return Variant("  ".join(choice.title for choice in choices), tuple(overrides))


def _checked(base: Base, common: Sequence[str], combinations: Sequence[Variant]) -> list[Recipe]:
    """Parse and build every combination, since levels that do not fit show only then."""
    recipes: list[Recipe] = []
    faults: dict[tuple[str, str], list[str]] = {}
    for combination in combinations:
        try:
            recipe = base.recipe([*common, *combination.overrides])
            recipe.training()
            recipe.check()
            recipes.append(recipe)
        except RecipeError as fault:
            lines = [line.strip() for line in str(fault).splitlines()[1:]]
            faults.setdefault(("\n".join(lines), ""), []).append(combination.title)
        except NCAError as fault:
            words = (f"{fault.what}\nwhere: {fault.where}", fault.to_do)
            faults.setdefault(words, []).append(combination.title)
    if not faults:
        return recipes
    count, wrong = len(combinations), len(combinations) - len(recipes)
    raise SweepError(
        f"{wrong} of {count} combination{'s' * (count > 1)} of {base.source} cannot be run, and "
        "none was.",
        [
            SweepFault("every combination" if len(t) == count else "\n".join(t), what, to_do)
            for (what, to_do), t in faults.items()
        ],
    )


def _folder(title: str, random_seed: int, taken: Iterable[str]) -> str:
    """Return a name that every file system takes, and no other run of the sweep has."""
    short = re.sub(r"[^A-Za-z0-9.=+-]+", "_", title)[:TITLE].strip("_.-")
    name = f"{short}_seed_{random_seed}".lstrip("_")
    lower = {each.casefold() for each in taken}
    others = (f"{name}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], others) if each.casefold() not in lower)
