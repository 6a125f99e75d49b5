"""`nca import`: turn published weights into a checkpoint, executing nothing of theirs."""

from pathlib import Path
from typing import Annotated

import typer

from nca.cli.console import (
    PluginFiles,
    PluginOptions,
    given_options,
    load_plugins,
    print_result,
    say,
    say_replaced,
)
from nca.cli.output import CHECKPOINT, output_path


def import_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An importer, as in `nca plugins`.")],
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER_OR_FILE", help="The published weights.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to; NAME.safetensors without it.")
    ] = None,
    options: PluginOptions = None,
    plugin: PluginFiles = None,
) -> None:
    """Turn published weights into a checkpoint that evaluates, renders and trains on.

    Example: nca import seed-glom best_models --out seed.safetensors
    """
    from nca.checkpoint.file import Checkpoint, weights
    from nca.checkpoint.read import read_recipe
    from nca.registry.importer import import_weights

    load_plugins(plugin)
    output = output_path(out, f"{name}.safetensors", CHECKPOINT, _files(source))
    imported = import_weights(name, source, given_options(options))
    for note in imported.notes:
        say(note)
    recipe = read_recipe(imported.recipe, imported.overrides)
    automaton, task = recipe.automaton(), recipe.task()
    given = Checkpoint(
        name=recipe.name, recipe=recipe.text, overrides=recipe.overrides, tensors=imported.tensors
    )
    # loaded and taken out again: so it is strict, and what is not given keeps its first value
    given.load(automaton, "automaton", source)
    tensors = weights(automaton=automaton, task=task)
    written, _ = output.write(Checkpoint(**{**given.__dict__, "tensors": tensors}).write)
    say_replaced(output)
    print_result(str(written))
    say(f"next: nca evaluate {written}")


def _files(source: Path) -> list[Path]:
    """Return all that an importer may read: a file, or those of a folder."""
    return [source, *(source.rglob("*") if source.is_dir() else ())]
