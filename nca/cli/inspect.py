"""`nca inspect`: say what a checkpoint holds, without running it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca.checkpoint.find import checkpoint_path
from nca.cli.console import (
    AsJson,
    CheckpointName,
    PluginFiles,
    Trust,
    format_figure,
    load_plugins,
    print_result,
    show_json,
    show_measurements,
    show_rows,
)

if TYPE_CHECKING:
    from nca.checkpoint.file import Checkpoint
    from nca.recipe.recipe import Recipe

RESAMPLING = ("scale", "coarsen", "refine")
"""Keys of levels that say something where they differ in scale."""


def inspect_command(
    checkpoint: CheckpointName,
    recipe: Annotated[bool, typer.Option("--recipe", help="Print the recipe alone.")] = False,
    plugin: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Show the levels, rules, parameters, recipe and metrics of a checkpoint.

    Example: nca inspect runs/glom_mnist-1
    """
    from nca.checkpoint.file import Checkpoint
    from nca.checkpoint.outline import outline
    from nca.checkpoint.read import read_checkpoint
    from nca.training.members import members_held

    load_plugins(plugin, checkpoint if trust else None)
    if recipe:  # without parsing it: whoever lacks its plugins may read it too
        print_result(Checkpoint.read(checkpoint_path(checkpoint)).recipe.rstrip())
        return
    held, parsed, path = read_checkpoint(checkpoint)
    automaton, task = outline(parsed.automaton), outline(parsed.task)
    levels = [
        {
            "level": row.name,
            "channels": row.channels,
            **{key: getattr(row, key) for key in RESAMPLING},
            "rules": ", ".join(rule.name for rule in row.rules) or ("input" * row.input),
            "parameters": sum(p.numel() for p in automaton.rules[row.name].parameters())
            if row.name in automaton.rules
            else 0,
        }
        for row in parsed.tables.levels
    ]
    facts: dict[str, Any] = {
        "name": held.name,
        "file": str(path),
        "iteration": held.iteration,
        "parameters": sum(p.numel() for m in (automaton, task) for p in m.parameters()),
        "precision": _precision(held, parsed),
        "versions": dict(held.versions),
        "overrides": list(held.overrides),
    }
    if members := members_held(held):
        facts["members"] = members
    if as_json:
        show_json({**facts, "levels": levels, "metrics": held.metrics, "recipe": held.recipe})
        return
    for name, value in facts.items():
        words = (
            ", ".join(f"{k} {v}" for k, v in value.items())
            if isinstance(value, dict)
            else ", ".join(value) or "none"
            if isinstance(value, list)
            else format_figure(value)
        )
        print_result(f"{name:<11} {words}")
    print_result("")
    flat = RESAMPLING if all(row.scale == 1 for row in parsed.tables.levels) else ()
    show_rows([{key: row[key] for key in row if key not in flat} for row in levels])
    for split, rows in held.metrics.items():
        print_result(f"\n{split}" + (f"  {rows}" if isinstance(rows, str) else ""))
        if isinstance(rows, list):
            show_measurements(rows)
    print_result(f"\nthe recipe: nca inspect {checkpoint} --recipe")


def _precision(held: "Checkpoint", recipe: "Recipe") -> str:
    """Return what products were computed in while it was trained, and what the recipe asks for."""
    asked = recipe.tables.train.precision if recipe.tables.train else "float32"
    trained = held.precision or (asked if asked != "auto" else "float32")
    return f"{trained} in training, {asked} in the recipe"
