"""`nca export`: write a checkpoint as a page for any browser, as ONNX, PyTorch or C."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nca.cli.completion import complete_either
from nca.cli.console import (
    AsJson,
    Data,
    Overrides,
    Pattern,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    say_replaced,
    show_json,
    with_pattern,
)
from nca.cli.numbers import number
from nca.cli.output import MODULE, ONNX, PAGE, PROGRAM, output_path
from nca.cli.progress import terminal_progress
from nca.errors import DataError

if TYPE_CHECKING:
    from nca.checkpoint.trained import Trained
    from nca.play.model import PlayedModel


def export_command(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A file, a run's folder, or a name; for C a recipe or a rule, too.",
            autocompletion=complete_either,
        ),
    ],
    pattern: Pattern = None,
    to: Annotated[
        Literal["html", "onnx", "torch", "c"],
        typer.Option("--to", help="A page for any browser, a step as ONNX, a plain module, or C."),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to; NAME.html, .onnx, _torch or .c without it."),
    ] = None,
    engine: Annotated[
        Literal["webgl", "onnx"],
        typer.Option("--engine", help="A page's: the graphics card, or any rule, slowly: onnx."),
    ] = "webgl",
    steps: Annotated[
        int, number("--steps", 1, 10_000, "Steps of each comparison with torch.")
    ] = 20,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Write it without comparing it with torch.")
    ] = False,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take a checkpoint out of torch, compare what it computes there, and write it.

    A page is one file that asks for nothing: open it from the disk and draw, cut, turn. It is
    tried out in a browser of the Chromium family, if there is one. ONNX is one step for any grid
    size, with the fire mask as an input, tried out in ONNX Runtime. Where rules do not say what
    they do, --engine onnx makes a page that computes this very step. A plain module is a folder
    with a few dozen lines of PyTorch and their weights. C is one file for tables of few states and
    for logic gates, 64 cells to a word where there is a circuit; for it the name of a recipe, or of
    a rule without weights, will do.

    Example: nca export growing --to html --out lizard.html
    """
    from nca.checkpoint.trained import Trained
    from nca.export import Difference, plain_module, write_c, write_html, write_onnx
    from nca.export.browser import find_browser
    from nca.play.model import is_checkpoint

    load_plugins(plugin, checkpoint if trust and is_checkpoint(checkpoint) else None)
    if pattern and to != "html":
        wanted = "only a page begins with a pattern: --to html"
        raise typer.BadParameter(wanted, param_hint="PATTERN")
    given = with_pattern(pattern, checkpoint, overrides, plugin)
    loaded = _loaded(checkpoint, to, given)
    source = loaded.path if isinstance(loaded, Trained) else Path(checkpoint)
    kind = {"html": PAGE, "onnx": ONNX, "torch": MODULE, "c": PROGRAM}[to]
    default = f"{loaded.recipe.name}{'_' if to == 'torch' else '.'}{to}"
    output = output_path(out, default, kind, [source, *(plugin or ())])
    say(f"{source}: exporting{'' if no_check else ', and comparing with torch'}")
    if not isinstance(loaded, Trained) or to == "c":
        automaton, recipe = loaded.automaton, loaded.recipe
        axes = len(recipe.tables.grid.size)
        out, checked = output.write(
            lambda path: write_c(automaton, recipe.name, axes, path, steps, not no_check)
        )
    elif to == "html":
        _examples(loaded, data)
        out, checked = output.write(
            lambda path: write_html(loaded, path, steps, not no_check, engine)
        )
    elif to == "onnx":
        out, checked = output.write(lambda path: write_onnx(loaded, path, steps, not no_check))
    else:
        module = plain_module(loaded, steps, not no_check)
        out, checked = output.make_folder(), module.checked
        module.write(out)
    size = sum(file.stat().st_size for file in ([out] if out.is_file() else out.iterdir()))
    say_replaced(output)
    if as_json:
        report = checked.to_json() if checked else None
        show_json({"file": str(out), "to": to, "bytes": size, "checked": report})
        return
    if isinstance(checked, Difference):
        print_result(str(checked))
    elif checked:
        say(f"{checked}; the file says so.")
    elif no_check:
        say("not compared with torch, as you asked for; the file says so.")
    elif find_browser() is None:
        say(
            "not compared with torch, for there is no browser of the Chromium family here; the "
            "page says so. Name one in NCA_BROWSER."
        )
    print_result(f"{out}  {size / 1000:,.0f} kB")


def _loaded(source: str, to: str, overrides: tuple[str, ...]) -> "Trained | PlayedModel":
    """Return a checkpoint; for C a recipe or a rule, too, if that is what is named."""
    import torch

    from nca.checkpoint.reads import MODEL, SHOWN
    from nca.checkpoint.trained import Trained
    from nca.play.model import PlayedModel, is_checkpoint

    cpu = torch.device("cpu")
    if to == "c" and not is_checkpoint(source):
        return PlayedModel.load(source, cpu, overrides=overrides)
    return Trained.load(source, cpu, overrides, SHOWN if to == "html" else MODEL)


def _examples(trained: "Trained", data: Path | None) -> None:
    """Let the task load what it can show examples of; without, one can still draw."""
    with terminal_progress() as progress:
        try:
            trained.prepare(data, progress)
        except DataError as fault:
            say(f"no examples to choose from: {fault.what}")
