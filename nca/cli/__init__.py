"""The command line: one file per verb; this one puts them together and shows errors."""

import sys
from collections.abc import Sequence

import typer

from nca.cli import (
    bench,
    data,
    evaluate,
    examine,
    export,
    help,
    imports,
    inspect,
    islands,
    plan,
    play,
    plugins,
    recipes,
    render,
    run,
    stream,
    sweep,
)
from nca.cli.console import fail, out_of_memory
from nca.errors import NCAError
from nca.registry.discovery import discover

INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Neural cellular automata: train, evaluate, export.\n\nExample: nca run glom_mnist",
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("sweep")(sweep.sweep)
app.command("evaluate")(evaluate.evaluate)
app.command("render")(render.render)
app.command("export")(export.export)
app.command("examine")(examine.examine)
app.command("stream")(stream.stream_)
app.command("islands")(islands.islands)
app.command("bench")(bench.bench_)
app.command("play")(play.play)
app.command("inspect")(inspect.inspect)
app.add_typer(recipes.app, name="recipes")
app.command("plugins")(plugins.plugins)
app.command("import")(imports.import_)
app.add_typer(data.app, name="data")
app.command("help")(help.help_)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; say what is wrong in plain words, and leave tracebacks to our own bugs."""
    discover()
    try:
        app(arguments, prog_name="nca")
    except NCAError as fault:
        fail(fault)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (MemoryError, RuntimeError) as fault:
        if (full := out_of_memory(fault)) is None:
            raise
        fail(full)
        sys.exit(1)
