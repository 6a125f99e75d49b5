"""Find recipes and checkpoints by path or by name.

Installed packages offer recipes through the entry-point group `nca.recipes`, whose value is a
package of `*.toml` files; pretrained checkpoints lie in its folder `pretrained`, and recipes that
are there to be timed in `bench`.
"""

from collections.abc import Iterable
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from nca.checkpoint.file import Checkpoint
from nca.errors import CheckpointError, NCAError
from nca.files import is_file, write_whole
from nca.recipe.recipe import Recipe
from nca.registry.discovery import load_files
from nca.suggest import did_you_mean


def recipes() -> dict[str, Path]:
    """Return the installed recipes by name."""
    return _installed("", ".toml")


def benchmarks() -> dict[str, Path]:
    """Return the installed recipes that are there to be timed, by name."""
    return _installed("bench", ".toml")


def pretrained() -> dict[str, Path]:
    """Return the installed checkpoints by name."""
    return _installed("pretrained", ".safetensors")


def recipe_path(source: str) -> Path:
    """Return the file of a recipe, given by path or by name.

    Raises:
        NCAError: There is no such file or name; the nearest is suggested.
    """
    path = Path(source)
    if is_file(path):
        return path
    known = recipes()
    if source in known:
        return known[source]
    raise NCAError(
        f"there is no recipe {source!r}.",
        where=f"installed recipes: {', '.join(known) or 'none'}",
        to_do=f"{did_you_mean(path.stem, known)}give the path of a .toml file, or one of "
        "these names",
    )


def recipe_text(path: Path) -> str:
    """Return the text of a recipe file.

    Raises:
        NCAError: It cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        problem, cause = f"it is no text in UTF-8, from byte {fault.start} on", fault
    except OSError as fault:
        problem, cause = f"{fault.strerror}", fault
    raise NCAError(
        f"the recipe cannot be read: {problem}.",
        where=str(path),
        to_do="give a text file in UTF-8 that you may read",
    ) from cause


def read_recipe(source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read and check a recipe; the plugin files that it names are executed first.

    Raises:
        NCAError: There is no such recipe.
        PluginError: A plugin file of it does not load.
        RecipeError: Everything that is wrong with it.
    """
    path = recipe_path(source)
    text = recipe_text(path)
    load_files(Recipe.plugins_in(text), path.parent)
    return Recipe.parse(
        text, name=path.stem, folder=path.parent, overrides=overrides, source=str(path)
    )


def keep_plugins(recipe: Recipe, folder: Path) -> None:
    """Copy the plugin files that a recipe names, so that a run's folder is complete.

    Raises:
        StorageError: They cannot be written.
    """
    for file in recipe.tables.plugins:
        source = recipe.folder / file
        write_whole(folder / source.name, source.read_bytes())


def checkpoint_path(source: str) -> Path:
    """Return the file of a checkpoint, given by path, by run folder, or by name.

    Raises:
        CheckpointError: There is no such file, folder or name; the nearest is suggested.
    """
    path = Path(source)
    if not is_file(path):
        for name in ("best.safetensors", "last.safetensors"):
            if is_file(path / name):
                return path / name
    if is_file(path):
        return path
    known = pretrained()
    if source in known:
        return known[source]
    raise CheckpointError(
        f"there is no checkpoint {source!r}.",
        where=f"pretrained: {', '.join(known) or 'none'}",
        to_do=f"{did_you_mean(path.stem, known)}give a .safetensors file, a run's folder "
        "(runs/NAME), or one of these names",
    )


def read_checkpoint(
    source: str, overrides: tuple[str, ...] = ()
) -> tuple[Checkpoint, Recipe, Path]:
    """Read a checkpoint and the recipe in it; plugin files that it names are not executed.

    Raises:
        CheckpointError: It is missing, damaged, foreign or newer.
        RecipeError: Its recipe does not fit; a missing plugin is named.
    """
    path = checkpoint_path(source)
    checkpoint = Checkpoint.read(path)
    return checkpoint, checkpoint.parsed(path, overrides), path


def _installed(folder: str, ending: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for point in entry_points(group="nca.recipes"):
        place = Path(str(files(point.value))) / folder
        found |= {path.stem: path for path in place.glob(f"*{ending}")}
    return dict(sorted(found.items()))
