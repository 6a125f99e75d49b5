"""`nca examine`: the report card of a checkpoint."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from nca.cli.console import (
    AsJson,
    CheckpointName,
    Data,
    Device,
    MeasuredOn,
    Overrides,
    PluginFiles,
    err,
    load_plugins,
    out,
    say,
    show,
    show_json,
)
from nca.cli.data import terminal_report
from nca.report import hardware
from nca.reports.robustness import (
    Examination,
    Notebook,
    Plan,
    Subject,
    choose,
    headline,
    publish,
    ready,
    told,
)
from nca.reports.robustness import examine as ask
from nca.reports.robustness.tables import rows
from nca.run import pick_device
from nca.trained import Trained


def examine(
    checkpoint: CheckpointName,
    out_: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where to; examine-NAME without it."),
    ] = None,
    questions: Annotated[
        list[str] | None,
        typer.Option("--ask", metavar="QUESTION", help="Ask this only, as `damage`. Repeatable."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Take these for the trained steps.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many random seeds.")] = 8,
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Samples per random seed, at most.")
    ] = 64,
    split: MeasuredOn = "test",
    long: Annotated[
        int, typer.Option("--long", min=1, help="Steps of the long run.")
    ] = Plan.long_steps,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="MINUTES", min=0.0, help="Ask nothing more after these."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Three random seeds, and fewer samples.")
    ] = False,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Examine a checkpoint: duration, damage, shifts, turns, adversaries, translation.

    What is answered is kept in the folder, and is not asked again.

    Example: nca examine growing --quick
    """
    load_plugins(plugin)
    asked = choose(questions or ())
    trained = Trained.load(checkpoint, pick_device(device), tuple(overrides or ()))
    with terminal_report() as report:
        trained.prepare(data, report)
    whole = Plan(
        steps=steps or trained.recipe.tables.rollout.steps[1],
        seeds=seeds,
        samples=samples,
        split=split,
        long_steps=long,
    )
    plan = whole.quick() if quick else whole
    cut = plan.less_than(Plan(whole.steps))
    subject = Subject(trained, plan, data, tuple(cut))
    folder = ready(out_ or Path(f"examine-{trained.recipe.name}"))
    say(f"{trained.path}: {split} data on {hardware(trained.device)}")
    notebook = Notebook(folder / "examination.jsonl", subject)
    seconds = None if budget is None else 60 * budget
    try:
        with _watching() as watch:
            found = ask(subject, asked, notebook, seconds=seconds, watch=watch)
    except KeyboardInterrupt:
        say(f"\nanswers are kept in {notebook.path}; the same command goes on from there")
        raise
    publish(found, folder)
    if as_json:
        show_json(told(found))
        return
    _show_table(found)
    show(f"\n{headline(found)}")
    missing = [*subject.cut, *found.missing]
    if missing:
        show(f"Cut short: {'; '.join(missing)}.")
    show(f"\n{folder / 'report.html'}")


@contextmanager
def _watching() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows how far the examination is: a bar, or a line per answer in a pipe."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as progress:
        bar = progress.add_task("examining", total=None)

        def watch(question: str, done: int, total: int) -> None:
            progress.update(bar, description=question, completed=done, total=total)
            if not err.is_terminal:
                say(f"{done:>4}/{total}  {question}")

        yield watch


def _show_table(examination: Examination) -> None:
    table = Table(box=None, pad_edge=False, header_style="", collapse_padding=True)
    for name in ("question", "condition"):
        table.add_column(name)
    table.add_column(examination.subject.headline, justify="right")
    table.add_column("change", justify="right")
    before = ""
    for question, condition, value, change in rows(examination):
        table.add_row("" if question == before else question, condition, value, change)
        before = question
    for name, reason in examination.barred.items():
        table.add_row(name, f"does not apply: {reason}", "", "")
    Console(highlight=False, width=max(out.width, 80)).print(table)
