"""`nca recipes`: list, show and check recipes, and print their schema for editors."""

from typing import TYPE_CHECKING, Annotated

import typer

from nca.checkpoint.find import find_recipe, pretrained, recipe_text, recipes
from nca.cli.completion import complete_recipe
from nca.cli.console import (
    Overrides,
    PluginFiles,
    load_plugins,
    print_result,
    say,
    show_json,
)

if TYPE_CHECKING:
    from nca.recipe.recipe import Recipe

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show and check recipes.\n\nExample: nca recipes check mine.toml",
)

Source = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A .toml or .py file, or a name.", autocompletion=complete_recipe
    ),
]


PLAYED = ("growing",)  # as in: nca play growing
"""What is proposed first of all that is trained."""


@app.command("list")
def list_recipes() -> None:
    """List the installed recipes with their first line.

    Example: nca recipes list
    """
    known = recipes()
    width = max(map(len, known), default=0)
    trained = pretrained()
    for name, path in known.items():
        first = recipe_text(path).partition("\n")[0].lstrip("# ").rstrip()
        print_result(f"{name:<{width}}  {first}{'  (pretrained)' if name in trained else ''}")
    first = next((name for name in PLAYED if name in trained), next(iter(trained), None))
    if first:
        say(f"next: nca play {first}")


@app.command("show")
def show_recipe(recipe: Source) -> None:
    """Print a recipe.

    Example: nca recipes show glom_mnist > mine.toml
    """
    print_result(find_recipe(recipe).text.rstrip())


@app.command("check")
def check_recipe(
    recipe: Source,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Execute the plugin files that the recipe names.")
    ] = False,
) -> None:
    """Say all that is wrong with a recipe, or that nothing is.

    Plugin files that it names are not executed, unless they are given by --plugin or trusted.

    Example: nca recipes check mine.toml
    """
    from nca.checkpoint.read import check_unexecuted, read_recipe
    from nca.training.pretrained import pretrained_path

    load_plugins(plugin)
    if not trust and (left := check_unexecuted(recipe, overrides or ())):
        print_result(f"{recipe}: no fault in what can be checked without its plugins")
        say(f"not checked, since nothing of the recipe is executed: {', '.join(left)}")
        say(f"next: nca recipes check {recipe} --trust")
        return
    checked = read_recipe(recipe, overrides or ())
    checked.check()
    if checked.tables.train:
        pretrained_path(checked)
    for remark in checked.remarks:
        say(f"note: {remark}")
    _say_what_is_short(checked)
    automaton = checked.automaton()
    count = sum(weight.numel() for weight in automaton.parameters())
    levels = ", ".join(f"{level.name} {level.channels}" for level in checked.tables.levels)
    print_result(
        f"{checked.name}: no fault; levels {levels}; {count:,} parameters in the automaton"
    )


def _say_what_is_short(recipe: "Recipe") -> None:
    """Say which states exceed the memory of this machine; another one may have more."""
    import torch

    from nca.recipe.errors import RecipeError

    try:
        recipe.check_memory(torch.device("cpu"))
    except RecipeError as error:
        for fault in error.faults:
            say(f"note, on this machine: {fault}")


@app.command("schema")
def print_schema(plugin: PluginFiles = None) -> None:
    """Print the JSON schema of recipes, with the options of all plugins.

    Example: nca recipes schema > recipe.schema.json
    """
    from nca.recipe.json_schema import recipe_schema

    load_plugins(plugin)
    show_json(recipe_schema())
