"""`nca bench`: how fast an automaton runs with every backend that can run it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nca.cli.completion import complete_recipe
from nca.cli.console import (
    AsJson,
    Device,
    Overrides,
    PluginFiles,
    load_plugins,
    say,
    say_replaced,
    show_json,
)
from nca.cli.numbers import THREADS, number
from nca.cli.output import BENCHMARK, output_path
from nca.cli.progress import TerminalProgress, terminal_progress
from nca.errors import DeviceError
from nca.files import write_whole
from nca.jsonl import dumps
from nca.progress import Progress, ProgressList

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
    repeats: Annotated[int, number("--repeats", 1, 10_000, "Rounds, if time allows.")] = 5,
    budget: Annotated[
        float, number("--budget", 1.0, 1e7, "What all may take.", metavar="SECONDS")
    ] = 900.0,
    threads: Annotated[
        int | None, number("--threads", 1, THREADS, "Of a CPU; all cores if left out.")
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
    from nca.checkpoint.reads import TIMED
    from nca.cli.bench_table import show_machine
    from nca.device import pick_device

    if recipe is not None and case:
        raise typer.BadParameter("give either a RECIPE or --case", param_hint="--case")
    if by_work and (threads or 1) > 1:
        raise typer.BadParameter("means one thread", param_hint="--processor-time")
    load_plugins(plugin)
    where, chosen = pick_device(device), select_backends(way or ())
    given = tuple(overrides or ())
    inputs = [Path(recipe or ""), *(plugin or ())]
    output = output_path(out, "", BENCHMARK, inputs) if out else None
    asked = (
        [Case(read_recipe(recipe, given, reads=TIMED), where)]
        if recipe
        else cases(case or (), where, given)
    )
    if by_work and where.type != "cpu":
        raise DeviceError(
            "the time of the processor says nothing about a GPU.",
            where=f"--processor-time, --device {where}",
            to_do="leave one of them out",
        )
    if threads or by_work:
        torch.set_num_threads(threads or 1)
    with terminal_progress(every=LINE_EVERY) as terminal:
        progress = terminal if as_json else ProgressList(terminal, _Tables(terminal))
        clock = Clock(where, by_work=by_work)
        report = bench(BenchPlan(asked, chosen, repeats, budget, clock, progress))
    if output:
        content = dumps(report.to_json(), indent=2).encode()
        output.write(lambda path: write_whole(path, content))
        say_replaced(output)
    if as_json:
        show_json(report.to_json())
    else:
        show_machine(report)
    if out:
        say(str(out))


class _Tables(Progress):
    """Prints each case on stdout when it is measured.

    Args:
        terminal: Interrupted meanwhile.
    """

    def __init__(self, terminal: TerminalProgress) -> None:
        self.terminal = terminal

    def record(self, row: Mapping[str, Any]) -> None:
        """Print a case."""
        from nca.cli.bench_table import show_measured

        if row["kind"] == "case":
            with self.terminal.interrupted():
                show_measured(row["measured"])
