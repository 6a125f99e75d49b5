"""Read recipes and checkpoints that `find` has found: parsed, checked, with their plugins."""

from collections.abc import Iterable
from pathlib import Path

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.find import checkpoint_path, recipe_path, recipe_text
from nca.files import write_whole
from nca.recipe.recipe import Recipe
from nca.registry.discovery import load_files


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
