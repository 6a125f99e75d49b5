"""`nca examine`: the report card of a checkpoint."""

import itertools
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nca.cli.console import (
    AsJson,
    CheckpointName,
    Data,
    Device,
    MeasuredOn,
    Overrides,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    say_replaced,
    show_json,
    show_table,
)
from nca.cli.numbers import SAMPLES, STEPS, number
from nca.cli.output import EXAMINATION, Output, output_path
from nca.cli.progress import terminal_progress
from nca.files import numbered, safe_name

if TYPE_CHECKING:
    from nca.reports.robustness import ModelUnderTest, RobustnessResult


REPORT = 0.05
"""Of a budget, the share that pictures of the report may take beyond it."""

LONG = 10_000
"""Steps of the long run; a `RobustnessPlan` has as many."""


def examine_command(
    checkpoint: CheckpointName,
    out_: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where to; examine-NAME without it."),
    ] = None,
    checks: Annotated[
        list[str] | None,
        typer.Option("--ask", metavar="CHECK", help="Run only this, as `damage`. Repeatable."),
    ] = None,
    steps: Annotated[
        int | None, number("--steps", 1, STEPS, "Take these for the trained steps.")
    ] = None,
    seeds: Annotated[int, number("--seeds", 1, 1000, "How many random seeds.")] = 8,
    samples: Annotated[
        int, number("--samples", 1, SAMPLES, "Samples per random seed, at most.")
    ] = 64,
    split: MeasuredOn = "test",
    long: Annotated[int, number("--long", 1, STEPS, "Steps of the long run.")] = LONG,
    budget: Annotated[
        float | None,
        number("--budget", 0.0, 1e6, "What all may take.", metavar="MINUTES"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Three random seeds, and fewer samples.")
    ] = False,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Check how robust a checkpoint is: duration, damage, shifts, turns, adversaries, translation.

    What is measured is kept in the folder, and is not measured again.

    Example: nca examine growing --quick
    """
    begun = time.monotonic()
    from nca.checkpoint.reads import EXAMINED
    from nca.checkpoint.trained import Trained
    from nca.device import pick_exact_device
    from nca.reports.robustness import (
        ModelUnderTest,
        ResultCache,
        RobustnessPlan,
        publish_robustness,
        robustness_headline,
        robustness_to_json,
        run_checks,
        select_checks,
    )

    if budget is not None and math.isnan(budget):
        raise typer.BadParameter("is no number of minutes", param_hint="--budget")
    load_plugins(plugin, checkpoint if trust else None)
    chosen = select_checks(checks or ())
    reads = EXAMINED.without(steps=(steps, "rollout.steps"))
    trained = Trained.load(checkpoint, pick_exact_device(device), tuple(overrides or ()), reads)
    if out_ is not None:
        output_path(out_, "", EXAMINATION)  # before data is fetched
    with terminal_progress() as progress:
        trained.prepare(data, progress)
    whole = RobustnessPlan(
        steps=steps or trained.recipe.tables.rollout.steps[1],
        seeds=seeds,
        samples=samples,
        split=split,
        long_steps=long,
    )
    model = ModelUnderTest.planned(trained, whole, data, quick=quick)
    output = _output(out_, model)
    folder = output.make_folder()
    say(f"{trained.path}: {split} data on {trained.place}")
    cache = ResultCache(folder / "examination.jsonl", model)
    if cache.outdated:
        say(f"{cache.path}: {cache.outdated} lines are of another format or damaged, and not used")
    seconds = None if budget is None else 60 * budget - (time.monotonic() - begun)
    until = math.inf if budget is None else begun + 60 * (1 + REPORT) * budget
    try:
        with terminal_progress(every=0) as progress:
            found = run_checks(model, chosen, cache, seconds=seconds, progress=progress)
    except KeyboardInterrupt:
        say(f"\nanswers are kept in {cache.path}; the same command goes on from there")
        raise
    say(f"writing the report into {folder}")
    publish_robustness(found, folder, until)
    say_replaced(output)
    if as_json:
        show_json(robustness_to_json(found))
        return
    _show_table(found)
    print_result(f"\n{robustness_headline(found)}")
    missing = [*model.cut, *found.missing]
    if missing:
        print_result(f"Cut short: {'; '.join(missing)}.")
    print_result(f"\n{folder / 'report.html'}")


def _output(given: Path | None, model: "ModelUnderTest") -> Output:
    """Return the folder: that of the same examination, which goes on there, or a free one."""
    from nca.reports.robustness import continues

    free = output_path(given, f"examine-{model.trained.recipe.name}", EXAMINATION)
    if given is not None:
        return free
    names = numbered(Path(safe_name(f"examine-{model.trained.recipe.name}")))
    for path in itertools.takewhile(lambda path: path != free.path, names):
        if continues(path, model):
            return Output(path, given=True, replaces=(path / "report.html").exists())
    return free


def _show_table(result: "RobustnessResult") -> None:
    from nca.reports.robustness.tables import result_rows

    table = Table(box=None, pad_edge=False, header_style="", collapse_padding=True)
    for name in ("check", "condition"):
        table.add_column(name)
    table.add_column(result.model.headline, justify="right")
    table.add_column("change", justify="right")
    before = ""
    for check, condition, value, change in result_rows(result):
        table.add_row("" if check == before else check, condition, value, change)
        before = check
    for name, reason in result.barred.items():
        table.add_row(name, f"does not apply: {reason}", "", "")
    show_table(table)
