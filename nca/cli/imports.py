"""`nca import`: turn published weights into a checkpoint, executing nothing of theirs."""

from pathlib import Path
from typing import Annotated

import typer

from nca.cli.console import PluginFiles, load_plugins, print_result, say
from nca.registry.registry import registry


def import_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An importer, as in `nca plugins`.")],
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER_OR_FILE", help="The published weights.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to; NAME.safetensors without it.")
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Turn published weights into a checkpoint that evaluates, renders and trains on.

    Example: nca import seed-glom best_models --out seed.safetensors
    """
    from nca.checkpoint.file import Checkpoint, weights
    from nca.checkpoint.read import read_recipe

    load_plugins(plugin)
    imported = registry.get("importer", name)(source)
    recipe = read_recipe(imported.recipe, imported.overrides)
    automaton, task = recipe.automaton(), recipe.task()
    given = Checkpoint(
        name=recipe.name, recipe=recipe.text, overrides=recipe.overrides, tensors=imported.tensors
    )
    # loaded and taken out again: so it is strict, and what is not given keeps its first value
    given.load(automaton, "automaton", source)
    out = out or Path(f"{name}.safetensors")
    tensors = weights(automaton=automaton, task=task)
    Checkpoint(**{**given.__dict__, "tensors": tensors}).write(out)
    print_result(str(out))
    say(f"next: nca evaluate {out}")
