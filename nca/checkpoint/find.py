"""Find recipes and checkpoints by path or by name.

Installed packages offer recipes through the entry-point group `nca.recipes`, whose value is a
package of `*.toml` files; more of them lie in its folder `records`, pretrained checkpoints in
`pretrained`, and recipes that are there to be timed in `bench`. Finding imports no torch; `read`
parses what was found.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nca.checkpoint.within import NAME, recipe_within
from nca.errors import CheckpointError, NCAError, PluginError
from nca.files import is_file, is_folder, read_text_bounded, safe_name, user_path
from nca.registry.installed import complain, entry_points_of, folders_of, notice
from nca.registry.registry import registry
from nca.suggest import did_you_mean, listed
from nca.types import PICTURES

LARGEST = 1 << 20
"""Bytes of a recipe's file."""
SHOWN = 100
"""Letters of a source that an error quotes."""

ENDINGS = (".toml", ".py")
"""Of files that are recipes, or have one within."""


def recipes() -> dict[str, Path]:
    """Return the installed recipes by name."""
    return _installed(".toml", "records", "")


def benchmarks() -> dict[str, Path]:
    """Return the installed recipes that are there to be timed, by name."""
    return _installed(".toml", "bench")


def pretrained() -> dict[str, Path]:
    """Return the installed checkpoints by name."""
    return _installed(".safetensors", "pretrained")


@dataclass(frozen=True)
class FoundRecipe:
    """A recipe that was found, and not parsed yet.

    Attributes:
        text: Its TOML.
        name: What it is called.
        path: Its file; of a notation's, what was written.
    """

    text: str
    name: str
    path: Path

    @property
    def source(self) -> str:
        """The place to name in errors: lines are counted in the recipe."""
        return f"{NAME} of {self.path}" if self.path.suffix == ".py" else str(self.path)


def find_recipe(source: str) -> FoundRecipe:
    """Return a recipe, given by path, by name, or in a notation that stands for one.

    A path may lead to a module with a recipe within, of which nothing is executed here.

    Raises:
        NCAError: There is no such file or name; the nearest is suggested. Or a fault in what is
            written in a notation.
    """
    path = user_path(source)
    if is_file(path) and path.suffix == ".toml":
        return FoundRecipe(recipe_text(path), path.stem, path)
    if is_file(path) and path.suffix == ".py":
        return FoundRecipe(recipe_within(path), path.stem, path)
    known = recipes()
    if not is_file(path) and source in known:
        return FoundRecipe(recipe_text(known[source]), source, known[source])
    if (text := in_notation(source)) is not None:
        # the file that it names, or its words, as a run's folder may be called
        name = path.stem if is_file(path) else safe_name(source.replace("/", "_"))
        return FoundRecipe(text, name, path if is_file(path) else Path(name))
    path = recipe_path(source)
    _refuse_picture(path, "a recipe or a pattern")
    return FoundRecipe(recipe_text(path), path.stem, path)


def in_notation(source: str) -> str | None:
    """Return the text of the recipe for which a text stands in some notation, or None.

    Raises:
        NCAError: It is of a notation, and faulty.
    """
    for name in registry.names("notation"):
        try:
            notation = registry.get("notation", name)
        except PluginError as broken:
            notice(str(broken))
            continue
        if (found := notation(source)) is not None:
            return found
    return None


def recipe_path(source: str) -> Path:
    """Return the file of a recipe, given by path or by name.

    Raises:
        NCAError: There is no such file or name; the nearest is suggested.
    """
    path = user_path(source)
    if is_file(path):
        return path
    known = recipes()
    if source in known:
        return known[source]
    raise NCAError(
        f"there is no recipe {_shown(source)}.",
        where=f"installed recipes: {listed(known)}",
        to_do=f"{_hint(source, known)}give the path of a .toml file, or one of these names",
    )


def recipe_text(path: Path) -> str:
    """Return the text of a recipe file.

    Raises:
        NCAError: It cannot be read, or is no text.
    """
    return read_text_bounded(path, LARGEST, "the recipe")


def checkpoint_path(source: str) -> Path:
    """Return the file of a checkpoint, given by path, by run folder, or by name.

    Raises:
        CheckpointError: There is no such file, folder or name; the nearest is suggested.
    """
    path = user_path(source)
    if not is_file(path):
        for name in ("best.safetensors", "last.safetensors"):
            if is_file(path / name):
                return path / name
    if is_file(path) and path.suffix not in ENDINGS:
        _refuse_picture(path, "a checkpoint")
        return path
    known = pretrained()
    if source in known:
        return known[source]
    if path.suffix in ENDINGS or source in recipes():
        raise untrained(source)
    raise CheckpointError(
        f"there is no checkpoint {_shown(source)}.",
        where=f"pretrained: {listed(known)}",
        to_do=f"{_hint(source, known)}give a .safetensors file, a run's folder "
        "(runs/NAME), or one of these names",
    )


def names_recipe(source: str) -> bool:
    """Return whether what is given for a checkpoint is a recipe, or stands for one.

    Raises:
        NCAError: It is of a notation, and faulty.
    """
    path = user_path(source)
    if path.suffix == ".safetensors" or is_folder(path) or source in pretrained():
        return False
    return path.suffix in ENDINGS or source in recipes() or in_notation(source) is not None


def untrained(source: str) -> CheckpointError:
    """Return the refusal of a recipe where weights are needed."""
    return CheckpointError(
        f"{source!r} is a recipe, and this needs the weights that come of training.",
        where="CHECKPOINT",
        to_do=f"train it, nca run {source}, and give its run's folder; nca play {source} "
        "begins with first weights",
    )


def _refuse_picture(path: Path, expected: str) -> None:
    """Refuse a picture where something else was expected.

    Raises:
        NCAError: It is one, by its name.
    """
    if path.suffix.lower() in PICTURES:
        raise NCAError(
            f"{path.name} is a picture, where {expected} was expected.",
            where=str(path),
            to_do=f"to grow it, nca run RECIPE --set task.target={path} with a recipe that takes "
            f"a target; to tell what it shows, nca predict CHECKPOINT {path}",
        )


def _shown(source: str) -> str:
    """Return what was given in quotes, cut where it is long."""
    return repr(source if len(source) <= SHOWN else f"{source[: SHOWN - 3]}...")


def _hint(source: str, known: Iterable[str]) -> str:
    """Return what may have been meant by a source that is none."""
    if source in registry.names("pattern"):
        return f"{source} is a pattern, which is given after a recipe: RECIPE {source}; or "
    return did_you_mean(user_path(source).stem[:SHOWN], known)


def _installed(ending: str, *folders: str) -> dict[str, Path]:
    """Return installed files by name; of two with one name, that of the last folder."""
    found: dict[str, Path] = {}
    for point in entry_points_of("nca.recipes"):
        for place in folders_of(point.package, point.value):
            try:
                for folder in folders:
                    found |= {path.stem: path for path in (place / folder).glob(f"*{ending}")}
                if not any(place.glob("*.toml")):
                    complain(point.package, f"{point.value} has no recipes (*.toml)")
            except OSError as fault:
                complain(point.package, f"its recipes cannot be read: {fault}")
    return dict(sorted(found.items()))
