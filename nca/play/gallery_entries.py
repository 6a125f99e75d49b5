"""What the gallery lists: checkpoints, runs, recipes, patterns and rules, by group and name.

Looking at what there is executes no plugin file of a recipe. What is faulty is listed with its
reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from nca.checkpoint.find import in_notation, pretrained, recipe_text, recipes
from nca.checkpoint.read import check_unexecuted, read_checkpoint, read_recipe
from nca.errors import NCAError
from nca.play.model import rule_alone
from nca.play.work import ask
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.registry.discovery import plugin_fault
from nca.registry.registry import registry
from nca.validation.arguments import summary

GROUPS = {
    "trained": "Trained",
    "runs": "Your runs",
    "weightless": "Nothing to train",
    "patterns": "Patterns",
    "rules": "Rules alone",
    "untrained": "Not trained yet",
}
"""What each group is called on the page."""

ALONE = ("levels", 0, "rules", 0)
"""Where the recipe of a rule alone names it."""

RUNS = Path("runs")
"""Where `nca run` makes folders."""

MOST_RUNS = 48
"""So many runs are listed, the latest."""

LONGEST = 200
"""Characters of a line or a reason."""


@dataclass(frozen=True)
class GalleryEntry:
    """One thing to play.

    Attributes:
        group: One of `GROUPS`.
        name: What `nca play` calls it.
        line: What it is.
        fault: Why it cannot be played; nothing if it can.
        plugins: The plugin files that are executed once it is chosen.
        pictured: Whether a small picture can be drawn without data and without plugin files.
    """

    group: str
    name: str
    line: str = ""
    fault: str = ""
    plugins: tuple[str, ...] = ()
    pictured: bool = False


def gallery_entries() -> dict[tuple[str, str], GalleryEntry]:
    """Return all there is, by group and name, in the order in which it is shown."""
    trained, runs = _checkpoints("trained", pretrained()), _checkpoints("runs", _runs())
    everything = list(chain(trained, runs, _recipes(), _patterns(), _rules()))
    order = list(GROUPS)
    everything.sort(key=lambda entry: (order.index(entry.group), entry.name))
    return {(entry.group, entry.name): entry for entry in everything}


def _runs() -> dict[str, Path]:
    """Return the latest runs that have a checkpoint, by the names of their folders."""
    found = {path.parent for path in RUNS.glob("*/*.safetensors") if path.stem in ("best", "last")}
    latest = sorted(found, key=_changed, reverse=True)
    return {folder.name: folder for folder in latest[:MOST_RUNS]}


def _changed(folder: Path) -> float:
    """Return when a folder was changed; one that has just been removed was long ago."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _checkpoints(group: str, found: Mapping[str, Path]) -> Iterator[GalleryEntry]:
    for name, path in found.items():
        ask()
        try:
            checkpoint, recipe, _ = read_checkpoint(str(path))
        except NCAError as fault:
            yield GalleryEntry(group, name, fault=_reason(fault))
        else:
            line = _first_line(checkpoint.recipe)
            yield GalleryEntry(group, name, line, pictured=_needs_no_data(recipe))


def _recipes() -> Iterator[GalleryEntry]:
    trained = pretrained()
    for name, path in recipes().items():
        ask()
        if name not in trained:
            yield _recipe_entry(name, path)


def _recipe_entry(name: str, path: Path) -> GalleryEntry:
    line = ""
    try:
        line = _first_line(recipe_text(path))
        if left := check_unexecuted(str(path)):
            files = tuple(each[:LONGEST] for each in left if each.endswith(".py"))
            return GalleryEntry("weightless", name, line, plugins=files)
        recipe = read_recipe(str(path))
    except NCAError as fault:
        return GalleryEntry("untrained", name, line, fault=_reason(fault))
    group = "untrained" if recipe.tables.train else "weightless"
    weightless = group == "weightless"
    return GalleryEntry(group, name, line, pictured=weightless and _needs_no_data(recipe))


def _patterns() -> Iterator[GalleryEntry]:
    """Yield patterns whose names stand for a recipe, and for nothing else."""
    taken = {*pretrained(), *recipes(), *registry.names("rule")}
    for name in registry.names("pattern"):
        ask()
        if name in taken:
            continue
        try:
            if in_notation(name) is not None:
                line = summary(registry.get("pattern", name)).removeprefix("Return ")[:LONGEST]
                line = line[:1].upper() + line[1:]
                yield GalleryEntry("patterns", name, line, pictured=True)
        except NCAError as fault:
            yield GalleryEntry("patterns", name, fault=_reason(fault))


def _rules() -> Iterator[GalleryEntry]:
    taken = {*pretrained(), *recipes()}
    for name in registry.names("rule"):
        ask()
        if name in taken:
            continue
        try:
            rule = registry.get("rule", name)
            recipe = rule_alone(name)
            weights = sum(weight.numel() for weight in recipe.automaton().parameters())
        except Exception as fault:  # a plugin may fail of anything
            if not _needs_others(fault):
                yield GalleryEntry("rules", name, fault=_reason(plugin_fault(fault) or fault))
        else:
            if not weights:
                yield GalleryEntry("rules", name, summary(rule)[:LONGEST], pictured=True)


def _needs_others(fault: Exception) -> bool:
    """Return whether a rule was refused for what it lacks: another level, channels, an option."""
    return isinstance(fault, RecipeError) and all(
        len(one.path) > len(ALONE) for one in fault.faults if one.path[: len(ALONE)] == ALONE
    )


def _needs_no_data(recipe: Recipe) -> bool:
    task = recipe.tables.task
    return task is None or "dataset" not in (task.model_extra or {})


def _first_line(text: str) -> str:
    """Return what a recipe's first line of comment says."""
    first = text.lstrip().partition("\n")[0]
    return first.lstrip("# ").rstrip()[:LONGEST] if first.startswith("#") else ""


def _reason(fault: Exception) -> str:
    if isinstance(fault, RecipeError) and fault.faults:
        words = str(fault.faults[0])
    else:
        words = fault.what if isinstance(fault, NCAError) else f"{type(fault).__name__}: {fault}"
    return " ".join(words.split())[:LONGEST]
