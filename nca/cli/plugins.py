"""`nca plugins`: everything that a recipe can name, and what it takes."""

from typing import Annotated, Any

import typer

from nca.cli.console import AsJson, PluginFiles, load_plugins, print_result, say, show_json
from nca.errors import PluginError
from nca.registry.discovery import REFUSED
from nca.registry.registry import Entry, registry
from nca.suggest import did_you_mean


def plugins_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only plugins of this name.")
    ] = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> None:
    """List every plugin with its options: rules, tasks, data sets, targets, patterns and others.

    Example: nca plugins life
    """
    load_plugins(plugin)
    rows = [_to_json(entry) for entry in registry.entries() if name in (None, entry.name)]
    if not rows:
        near = did_you_mean(name or "", [entry.name for entry in registry.entries()])
        raise PluginError(
            f"there is no plugin {name!r}.",
            where="installed packages and --plugin files",
            to_do=f"{near}run nca plugins to see all",
        )
    if as_json:
        show_json(rows)
        return
    for facts in rows:
        print_result(f"{facts['kind']:<9} {facts['name']:<20} {facts['origin']}")
        if "broken" in facts:
            print_result(f"          broken: {facts['broken']}")
            continue
        print_result(f"          {facts['summary']}")
        for option, words in facts["options"].items():
            print_result(f"            {option} = {words}")
    for clash in REFUSED:
        say(str(clash))


def _to_json(entry: Entry) -> dict[str, Any]:
    from nca.registry.options import options_model
    from nca.validation.arguments import describe_options, summary

    facts: dict[str, Any] = {"kind": entry.kind, "name": entry.name, "origin": entry.origin}
    try:
        thing = registry.get(entry.kind, entry.name)
        options = describe_options(options_model(entry.kind, thing))
    except PluginError as fault:
        return {**facts, "broken": fault.what}
    return {**facts, "summary": summary(thing), "options": options}
