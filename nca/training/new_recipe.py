"""A run under a new recipe: its folder says what it does now, its log what it did before."""

from pathlib import Path

from nca.checkpoint.file import Checkpoint
from nca.files import holds, unused, write_whole
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.training.log import MetricsLog

MEASURED = ("grid", "levels", "rollout", "task", "evaluate")
"""What the figures of a checkpoint depend on."""


def measured_otherwise(recipe: Recipe, before: Checkpoint, path: Path) -> bool:
    """Return whether figures under a recipe cannot be compared with those of a checkpoint.

    Args:
        recipe: The checkpoint's, with overrides.
        before: The checkpoint.
        path: Its file.
    """
    if not recipe.overrides or recipe.text == before.recipe:
        return False
    try:
        old = before.parsed(path).tables
    except RecipeError:
        return True
    return any(getattr(old, name) != getattr(recipe.tables, name) for name in MEASURED)


def record_recipe(folder: Path, log: MetricsLog, recipe: Recipe, before: Checkpoint) -> None:
    """Write what a run does now into its folder, and what it did before into its log.

    Args:
        folder: The run's.
        log: The run's.
        recipe: Under which it goes on.
        before: The checkpoint that it goes on from.

    Raises:
        StorageError: It cannot be written.
    """
    if recipe.text != before.recipe:
        record = {"iteration": before.iteration, "kind": "recipe", "before": before.recipe}
        log.write({**record, "overrides": list(recipe.overrides)})
    written, text = folder / "recipe.toml", recipe.text.encode()
    if not holds(written, text):
        write_whole(written, text)


def set_best_aside(folder: Path, iteration: int) -> None:
    """Rename the best weights so far: they were measured by other rules than those to come."""
    best = folder / "best.safetensors"
    if best.is_file():
        best.rename(unused(folder / f"best-before-{iteration}.safetensors"))
