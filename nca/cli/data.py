"""`nca data`: list the data sets there are, fetch them, and check them byte by byte."""

import textwrap
from pathlib import Path
from typing import Annotated, get_args

import typer

from nca.cli.completion import complete_data_set
from nca.cli.console import (
    PluginFiles,
    PluginOptions,
    given_options,
    load_plugins,
    print_result,
    say,
)
from nca.cli.progress import terminal_progress
from nca.data.dataset import Dataset, IdxDataset, Split
from nca.data.idx import tilde
from nca.errors import PluginError
from nca.registry.options import plugin_options
from nca.registry.registry import registry
from nca.validation.faults import OptionError

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


@app.command("list")
def list_data_sets(plugin: PluginFiles = None) -> None:
    """Name each data set, its classes, and where it lies.

    Example: nca data list
    """
    load_plugins(plugin)
    names = registry.names("dataset")
    if not names:
        say("no data set is registered")
    width = max(map(len, names), default=0)
    for name in names:
        try:
            dataset = _plain(name)
        except PluginError as fault:
            print_result(f"{name:<{width}}  broken: {fault.what}")
            continue
        if dataset is None:
            print_result(f"{name:<{width}}  takes options: `nca plugins {name}`")
            continue
        margin = " " * (width + 2)
        count = len(dataset.classes)
        said = f"{count} class{'es' * (count != 1)}"
        print_result(f"{name:<{width}}  {said}  {_place(dataset)}")
        classes = ", ".join(dataset.classes)
        print_result(textwrap.fill(classes, WIDTH, initial_indent=margin, subsequent_indent=margin))


@app.command("fetch")
def fetch_data_set(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="As in `nca data list`.", autocompletion=complete_data_set
        ),
    ],
    data: Data = None,
    overrides: PluginOptions = None,
    plugin: PluginFiles = None,
) -> None:
    """Fetch a data set, verify it, and print where it lies.

    Example: nca data fetch fashion_mnist
    """
    load_plugins(plugin)
    options = plugin_options("dataset", name, given_options(overrides), (name,))
    dataset: Dataset = registry.get("dataset", name)(**options)
    with terminal_progress() as progress:
        if not isinstance(dataset, IdxDataset):
            for split in get_args(Split):
                dataset.load(split, data, progress)
            return
        dataset.fetch(data, progress)
    for folder in _folders(dataset, data):
        print_result(str(folder))


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
    plugin: PluginFiles = None,
) -> None:
    """Hash each file and print ok, missing or wrong, and where it looked; exit 1 if one is wrong.

    Example: nca data check --data ~/datasets
    """
    load_plugins(plugin)
    wrong = False
    names = [name] if name else registry.names("dataset")
    width = max(map(len, names), default=0)
    for each in names:
        dataset = _plain(each)
        if not isinstance(dataset, IdxDataset):
            say(f"{each} keeps no files that could be checked")
            continue
        statuses = dataset.check(data)
        for found in statuses:
            file, folder = found.name, ""
            if found.path is not None:
                file, folder = found.path.name, tilde(found.path.parent)
            print_result(f"{each:<{width}}  {found.state:<7}  {file:<23}  {folder}".rstrip())
            if found.fault:
                wrong = True
                say(str(found.fault))
        if any(found.state == "missing" for found in statuses):
            print_result(f"{each}: looked into {', '.join(map(tilde, dataset.looked_into(data)))}")
            for folder in dataset.strangers(data):
                print_result(f"{each}: the files in {tilde(folder)} have other bytes")
    if wrong:
        raise typer.Exit(1)


def _plain(name: str) -> Dataset | None:
    """Return a data set as its name alone says it; None where it cannot be without options."""
    try:
        return registry.get("dataset", name)(**plugin_options("dataset", name, {}, (name,)))
    except OptionError:
        return None


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
