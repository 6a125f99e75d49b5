"""The gallery: everything that is installed and can be played, by group and name.

Trained checkpoints and one's own runs, recipes without weights, patterns that stand for a recipe,
rules that have no weights, and recipes that wait to be trained. What is written in a notation, such
as the rule B36/S23, is played, too. Looking at what there is executes no plugin file of a recipe;
choosing one does, as `nca play NAME` would. What is faulty is listed with its reason.
"""

import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from nca.checkpoint.find import in_notation, pretrained, recipe_text, recipes
from nca.checkpoint.read import check_unexecuted, read_checkpoint, read_recipe
from nca.errors import NCAError
from nca.files import is_file, user_path
from nca.play.frames import Viewer, to_bytes
from nca.play.model import PlayedModel, rule_alone
from nca.play.session import Session
from nca.play.views import ROWS
from nca.play.work import ask, work_progress
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

WRITTEN = "written"
"""In place of a group: what is chosen is no name, but a text in a notation."""

RUNS = Path("runs")
"""Where `nca run` makes folders."""

MOST_RUNS = 48
"""So many runs are listed, the latest."""

LONGEST = 200
"""Characters of a line or a reason."""

SIDE = 96
"""Pixels of a small picture along its longer side, about."""

LEAST_STEPS, MOST_STEPS = 32, 96
"""Steps before a small picture is drawn."""

PATIENCE = 1.5
"""Seconds of stepping for a small picture."""


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


class PlayGallery:
    """What there is to play; it is looked for when it is first asked for.

    Args:
        load: Loads what `nca play` would under this name or path.
        random_seed: From which randomness follows; None: as each recipe says.
    """

    def __init__(self, load: Callable[[str], PlayedModel], random_seed: int | None = None) -> None:
        self._load = load
        self._random_seed = random_seed
        self._pictures: dict[tuple[str, str], bytes] = {}

    @cached_property
    def entries(self) -> dict[tuple[str, str], GalleryEntry]:
        """All there is, by group and name, in the order in which it is shown."""
        work_progress().begin("gallery")
        trained, runs = _checkpoints("trained", pretrained()), _checkpoints("runs", _runs())
        everything = list(chain(trained, runs, _recipes(), _patterns(), _rules()))
        order = list(GROUPS)
        everything.sort(key=lambda entry: (order.index(entry.group), entry.name))
        return {(entry.group, entry.name): entry for entry in everything}

    def to_json(self) -> list[dict[str, Any]]:
        """Return what a page shows: the groups that have entries."""
        found = []
        for group, words in GROUPS.items():
            of_it = [asdict(each) for each in self.entries.values() if each.group == group]
            if of_it:
                found.append({"name": group, "words": words, "entries": of_it})
        return found

    def session(self, group: str, name: str) -> Session:
        """Return a session of an entry, at its beginning.

        Args:
            group: Its group; or `WRITTEN`.
            name: Its name; or what is written.

        Raises:
            NCAError: There is no such entry, or it cannot be loaded.
        """
        source = _written(name) if group == WRITTEN else _source(self._entry(group, name))
        work_progress().begin(name)
        try:
            model = self._load(source)
            seed = model.recipe.tables.random_seed
            return Session(model, seed if self._random_seed is None else self._random_seed)
        except NCAError:
            raise
        except Exception as fault:
            if found := plugin_fault(fault):
                raise found from fault
            raise

    def picture(self, group: str, name: str) -> bytes:
        """Return a small picture of an entry some steps after its beginning, as PNG.

        Raises:
            NCAError: There is no such entry, or none is drawn of it.
        """
        entry = self._entry(group, name)
        if not entry.pictured:
            raise NCAError(
                f"no picture is drawn of {name!r} before it is played.",
                where="the gallery",
                to_do="choose it",
            )
        if (group, name) not in self._pictures:
            self._pictures[group, name] = _drawn(self.session(group, name))
        return self._pictures[group, name]

    def _entry(self, group: str, name: str) -> GalleryEntry:
        entry = self.entries.get((group, name))
        if entry is None:
            raise NCAError(
                f"the gallery has no {name[:80]!r} in {group[:80]!r}.",
                where="a message of the page",
                to_do="load the page again, and choose one that it shows",
            )
        return entry


def _source(entry: GalleryEntry) -> str:
    """Return the path of what was found, which no other file can take the place of."""
    if entry.group in ("rules", "patterns"):
        return entry.name
    if entry.group == "runs":
        return str(RUNS / entry.name)
    return str((pretrained() if entry.group == "trained" else recipes())[entry.name])


def _written(text: str) -> str:
    """Return a text that stands for a recipe in a notation.

    Raises:
        NCAError: It does not, or is faulty.
    """
    text = text.strip()
    if is_file(user_path(text)) or in_notation(text) is None:
        raise NCAError(
            f"{text[:80]!r} is neither a name here nor a rule.",
            where="the search of the gallery",
            to_do="choose one that is shown, or write a rule such as B36/S23",
        )
    return text


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


def _drawn(session: Session) -> bytes:
    end = time.monotonic() + PATIENCE
    steps = max(LEAST_STEPS, *session.model.recipe.tables.rollout.steps)
    many = ROWS if len(session.model.size) == 1 else min(steps, MOST_STEPS)
    session.advance(many, lambda: time.monotonic() > end)
    panes, _ = Viewer().panes(session, session.here)
    image = Image.fromarray(to_bytes(panes[0].picture).numpy())
    image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
    scale = max(1, SIDE // max(image.size))
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()
