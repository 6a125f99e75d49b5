"""`nca data`: list the data sets there are, fetch them, and check them byte by byte."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from nca.cli.completion import complete_data_set
from nca.data.dataset import Dataset, IdxDataset, Report, Split
from nca.data.idx import tilde
from nca.errors import PluginError
from nca.registry.registry import registry

WIDTH = 80

app = typer.Typer(
    no_args_is_help=True,
    help="List, fetch and check the data sets that recipes name.\n\n"
    "Example: nca data fetch fashion_mnist",
)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        file_okay=False,
        help="Keep the files here, in torchvision's layout, instead of $NCA_DATA or the cache.",
    ),
]


@contextmanager
def terminal_report() -> Iterator[Report]:
    """Show bars on stderr while something is fetched; in a pipe, only the lines that matter."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[size]}", justify="right"),
        TimeElapsedColumn(),
    )
    bars: dict[str, TaskID] = {}
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:

        def message(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        def progress(what: str, done: int, total: int | None) -> None:
            if what not in bars:
                while bars:  # one at a time: what came before is done, or was given up
                    shown.remove_task(bars.popitem()[1])
                bars[what] = shown.add_task(what, total=total, size="")
            size = f"{decimal(done)} of {decimal(total)}" if total else decimal(done) * (done > 0)
            shown.update(bars[what], completed=done, total=total, size=size)

        yield Report(message, progress)


@app.command("list")
def list_data_sets() -> None:
    """Name each data set, its classes, and where it lies.

    Example: nca data list
    """
    names = registry.names("dataset")
    if not names:
        typer.echo("no data set is registered", err=True)
    width = max(map(len, names), default=0)
    for name in names:
        try:
            dataset: Dataset = registry.get("dataset", name)()
        except PluginError as fault:
            typer.echo(f"{name:<{width}}  broken: {fault.what}")
            continue
        margin = " " * (width + 2)
        count = len(dataset.classes)
        said = f"{count} class{'es' * (count != 1)}"
        typer.echo(f"{name:<{width}}  {said}  {_place(dataset)}")
        classes = ", ".join(dataset.classes)
        typer.echo(textwrap.fill(classes, WIDTH, initial_indent=margin, subsequent_indent=margin))


@app.command("fetch")
def fetch_data_set(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="As in `nca data list`.", autocompletion=complete_data_set
        ),
    ],
    data: Data = None,
) -> None:
    """Fetch a data set, verify it, and print where it lies.

    Example: nca data fetch fashion_mnist
    """
    dataset: Dataset = registry.get("dataset", name)()
    with terminal_report() as report:
        if not isinstance(dataset, IdxDataset):
            for split in get_args(Split):
                dataset.load(split, data, report)
            return
        dataset.fetch(data, report)
    for folder in _folders(dataset, data):
        typer.echo(folder)


@app.command("check")
def check_data_sets(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="As in `nca data list`; all without it.",
            autocompletion=complete_data_set,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", file_okay=False, help="Check only what lies here."
        ),
    ] = None,
) -> None:
    """Hash each file and print ok, missing or wrong; exit 1 if one is wrong.

    Example: nca data check --data ~/datasets
    """
    wrong = False
    names = [name] if name else registry.names("dataset")
    width = max(map(len, names), default=0)
    for each in names:
        dataset: Dataset = registry.get("dataset", each)()
        if not isinstance(dataset, IdxDataset):
            typer.echo(f"{each} keeps no files that could be checked", err=True)
            continue
        for found in dataset.check(data):
            file, folder = found.name, ""
            if found.path is not None:
                file, folder = found.path.name, tilde(found.path.parent)
            typer.echo(f"{each:<{width}}  {found.state:<7}  {file:<23}  {folder}".rstrip())
            if found.fault:
                wrong = True
                typer.echo(str(found.fault), err=True)
    if wrong:
        raise typer.Exit(1)


def _folders(dataset: IdxDataset, data: Path | None = None) -> list[Path]:
    paths = dataset.find(data).values()
    return list(dict.fromkeys(path.parent for path in paths if path is not None))


def _place(dataset: Dataset) -> str:
    """Return where a data set lies, in words."""
    if not isinstance(dataset, IdxDataset):
        return "kept by its plugin"
    found = dataset.find()
    here = [path for path in found.values() if path is not None]
    if not here:
        return "not here"
    places = ", ".join(tilde(folder) for folder in _folders(dataset))
    return places if len(here) == len(found) else f"{len(here)} of {len(found)} files in {places}"
