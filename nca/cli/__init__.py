"""The command line: one file per verb; this one puts them together and shows errors.

Help, lists and completion answer at once, without torch: a verb's module imports at its top only
what its options need, and what does the work where the work is done.
"""

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from nca.cli import (
    bench,
    check,
    data,
    evaluate,
    examine,
    export,
    help,
    imports,
    inspect,
    islands,
    new,
    plan,
    play,
    plugins,
    predict,
    recipes,
    render,
    run,
    stream,
    sweep,
)
from nca.cli.console import fail, lacking, out_of_memory, print_result, say, spoken_warnings
from nca.cli.interruption import ending_by_signal
from nca.cli.surroundings import settle_surroundings
from nca.cli.waiting import sign_of_life
from nca.errors import NCAError
from nca.files import user_path
from nca.registry.discovery import discover, plugin_fault
from nca.registry.installed import listen

INTERRUPTED = 130

TRY_FIRST = """
Try first:
  nca recipes list   What can be trained, and what is trained already.
  nca play growing   Touch a trained automaton on a page of your browser.
  nca run growing    Train one: an image that grows from a single cell.
"""

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    epilog=f"\b{TRY_FIRST}",
    help="Neural cellular automata: train, evaluate, export.\n\nExample: nca run glom_mnist",
)
app.command("run")(run.run_command)
app.command("plan")(plan.plan_command)
app.command("sweep")(sweep.sweep_command)
app.command("evaluate")(evaluate.evaluate_command)
app.command("predict")(predict.predict_command)
app.command("render")(render.render_command)
app.command("export")(export.export_command)
app.command("examine")(examine.examine_command)
app.command("stream")(stream.stream_command)
app.command("islands")(islands.islands_command)
app.command("bench")(bench.bench_command)
app.command("check")(check.check_command)
app.add_typer(new.app, name="new")
app.command("play")(play.play_command)
app.command("inspect")(inspect.inspect_command)
app.add_typer(recipes.app, name="recipes")
app.command("plugins")(plugins.plugins_command)
app.command("import")(imports.import_command)
app.add_typer(data.app, name="data")
app.command("help")(help.help_command)


def _show_version(asked: bool) -> None:
    if asked:
        print_result(f"nca {version('nca')}")
        raise typer.Exit


@app.callback()
def greet(
    context: typer.Context,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Show the verbs, and what to try first, where no verb is given."""
    if context.invoked_subcommand is None:
        say(context.get_help().rstrip())
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; say what is wrong in plain words, and leave tracebacks to our own bugs."""
    if "WORLD_SIZE" in os.environ:
        # one fault is shown once: torch would warn of each process that has left before another;
        # it reads this when it is first imported
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    for written in (sys.stdout, sys.stderr):
        if isinstance(written, io.TextIOWrapper):  # also where it lacks a letter
            written.reconfigure(errors="backslashreplace")
    if "_NCA_COMPLETE" not in os.environ and os.environ.get("RANK", "0") == "0":
        listen(say)
    settle_surroundings()
    discover()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with ending_by_signal(), spoken_warnings(), sign_of_life():
            app([_at_home(argument) for argument in given], prog_name="nca")
    except NCAError as fault:
        fail(fault)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BaseException as fault:  # a plugin may raise whatever it likes, and exit
        if (known := out_of_memory(fault) or lacking(fault) or plugin_fault(fault)) is None:
            raise
        fail(known)
        sys.exit(1)


def _at_home(argument: str) -> str:
    """Return an argument with `~` as the home folder, after `--out=` too, where shells leave it."""
    option, equals, value = argument.partition("=")
    if option.startswith("--") and equals and value.startswith("~"):
        return f"{option}={user_path(value)}"
    return str(user_path(argument)) if argument.startswith("~") else argument
