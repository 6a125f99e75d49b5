"""`nca export`: write a checkpoint as a page for any browser, or as ONNX."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nca.cli.console import (
    AsJson,
    CheckpointName,
    Data,
    Overrides,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    say_replaced,
    show_json,
)
from nca.cli.numbers import number
from nca.cli.output import MODULE, ONNX, PAGE, output_path
from nca.cli.progress import terminal_progress
from nca.errors import DataError

if TYPE_CHECKING:
    from nca.checkpoint.trained import Trained


def export_command(
    checkpoint: CheckpointName,
    to: Annotated[
        Literal["html", "onnx", "torch"],
        typer.Option("--to", help="A page for any browser, one step as ONNX, or a plain module."),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to; NAME.html, NAME.onnx or NAME_torch without it."),
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
    with a few dozen lines of PyTorch and their weights.

    Example: nca export growing --to html --out lizard.html
    """
    import torch

    from nca.checkpoint.reads import MODEL, SHOWN
    from nca.checkpoint.trained import Trained
    from nca.export import Difference, plain_module, write_html, write_onnx
    from nca.export.browser import find_browser

    load_plugins(plugin, checkpoint if trust else None)
    reads = SHOWN if to == "html" else MODEL
    trained = Trained.load(checkpoint, torch.device("cpu"), tuple(overrides or ()), reads)
    kind = {"html": PAGE, "onnx": ONNX, "torch": MODULE}[to]
    default = f"{trained.recipe.name}{'_' if to == 'torch' else '.'}{to}"
    output = output_path(out, default, kind, [trained.path, *(plugin or ())])
    say(f"{trained.path}: exporting{'' if no_check else ', and comparing with torch'}")
    if to == "html":
        _examples(trained, data)
        out, checked = output.write(
            lambda path: write_html(trained, path, steps, not no_check, engine)
        )
    elif to == "onnx":
        out, checked = output.write(lambda path: write_onnx(trained, path, steps, not no_check))
    else:
        module = plain_module(trained, steps, not no_check)
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


def _examples(trained: "Trained", data: Path | None) -> None:
    """Let the task load what it can show examples of; without, one can still draw."""
    with terminal_progress() as progress:
        try:
            trained.prepare(data, progress)
        except DataError as fault:
            say(f"no examples to choose from: {fault.what}")
