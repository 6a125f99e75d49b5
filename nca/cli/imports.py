"""`nca import`: turn published weights into a checkpoint, executing nothing of theirs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from nca.cli.console import PluginFiles, load_plugins, print_result, say
from nca.errors import NCAError
from nca.files import unused
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
    if out is not None and os.path.lexists(out) and out.resolve() == source.resolve():
        raise NCAError(
            "a file cannot be imported into itself.",
            where=f"--out {out}",
            to_do="name another file: --out FILE.safetensors",
        )
    imported = registry.get("importer", name)(source)
    recipe = read_recipe(imported.recipe, imported.overrides)
    automaton, task = recipe.automaton(), recipe.task()
    given = Checkpoint(
        name=recipe.name, recipe=recipe.text, overrides=recipe.overrides, tensors=imported.tensors
    )
    # loaded and taken out again: so it is strict, and what is not given keeps its first value
    given.load(automaton, "automaton", source)
    out = out or unused(Path(f"{name}.safetensors"))
    tensors = weights(automaton=automaton, task=task)
    Checkpoint(**{**given.__dict__, "tensors": tensors}).write(out)
    print_result(str(out))
    say(f"next: nca evaluate {out}")
