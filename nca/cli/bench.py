"""`nca bench`: how fast an automaton runs, in every way that the engine can run it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nca.cli.completion import complete_recipe
from nca.cli.console import (
    AsJson,
    Device,
    Overrides,
    PluginFiles,
    err,
    load_plugins,
    say,
    show_json,
)
from nca.errors import DeviceError, StorageError
from nca.files import write_whole
from nca.jsonl import dumps

if TYPE_CHECKING:
    from nca.bench import Measured

LINE_EVERY = 5.0


def bench_command(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]",
            help="A .toml file, or an installed name; else the built-in set.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option("--case", metavar="NAME", help="Only this one of the set. Repeatable."),
    ] = None,
    way: Annotated[
        list[str] | None,
        typer.Option("--way", metavar="NAME", help="Only this way, beside plain. Repeatable."),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Rounds, if time allows.")] = 5,
    budget: Annotated[
        float, typer.Option("--budget", metavar="SECONDS", min=1.0, help="What all may take.")
    ] = 900.0,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Of a CPU; all cores if left out.")
    ] = None,
    by_work: Annotated[
        bool,
        typer.Option("--processor-time", help="For a busy machine: one thread, its work as time."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON here as well.")
    ] = None,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> None:
    """Time a recipe, or the built-in set, in every way the engine can run it.

    Random states and a simple loss: no data is read and nothing is learnt. Plain is the
    reference: the whole grid, a convolution for each rule, eager, in float32.

    Example: nca bench growing --way engine
    """
    import torch

    from nca.bench import BenchPlan, Case, bench, cases, select_backends
    from nca.bench.timing import Clock
    from nca.checkpoint.read import read_recipe
    from nca.cli.bench_table import show_machine
    from nca.device import pick_device

    if recipe is not None and case:
        raise typer.BadParameter("give either a RECIPE or --case", param_hint="--case")
    if by_work and (threads or 1) > 1:
        raise typer.BadParameter("means one thread", param_hint="--processor-time")
    load_plugins(plugin)
    where, chosen = pick_device(device), select_backends(way or ())
    given = tuple(overrides or ())
    if out and (out.is_dir() or not out.parent.is_dir()):
        raise StorageError(
            "the JSON cannot be written there.",
            where=f"--out {out}",
            to_do="name a file in a folder that is there",
        )
    asked = [Case(read_recipe(recipe, given), where)] if recipe else cases(case or (), where, given)
    if by_work and where.type != "cpu":
        raise DeviceError(
            "the time of the processor says nothing about a GPU.",
            where=f"--processor-time, --device {where}",
            to_do="leave one of them out",
        )
    if threads or by_work:
        torch.set_num_threads(threads or 1)
    with _Display(as_json) as display:
        clock = Clock(where, by_work=by_work)
        report = bench(
            BenchPlan(asked, chosen, repeats, budget, clock, display.heard, display.done)
        )
    if out:
        write_whole(out, dumps(report.to_json(), indent=2).encode())
    if as_json:
        show_json(report.to_json())
    else:
        show_machine(report)
    if out:
        say(str(out))


class _Display:
    """What is being done, on stderr: a line that changes on a terminal, plain lines in a pipe.

    Args:
        quiet: Whether cases are kept from stdout.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.last = -LINE_EVERY
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self.line = self.progress.add_task("")

    def __enter__(self) -> "_Display":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def heard(self, words: str) -> None:
        """Say what is being done."""
        self.progress.update(self.line, description=words)
        if not err.is_terminal and time.monotonic() - self.last >= LINE_EVERY:
            self.last = time.monotonic()
            say(words)

    def done(self, measured: "Measured") -> None:
        """Show a case."""
        from nca.cli.bench_table import show_measured

        if self.quiet:
            return
        self.progress.stop()
        show_measured(measured)
        self.progress.start()
