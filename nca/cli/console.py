"""Where the command line speaks: results on stdout, everything else on stderr."""

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from nca.cli.completion import complete_checkpoint, complete_recipe
from nca.cli.numbers import number
from nca.cli.output import Output
from nca.cli.visible import VisibleConsole, visible
from nca.errors import NCAError, NCAWarning
from nca.jsonl import dumps
from nca.registry.discovery import load_file
from nca.reports.numbers import NONE

if TYPE_CHECKING:
    from nca.distributed.group import ProcessGroup
    from nca.types import Size

out = VisibleConsole(highlight=False, soft_wrap=True, markup=False)
err = VisibleConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)

CheckpointName = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A file, a run's folder, or a name.",
        autocompletion=complete_checkpoint,
    ),
]
RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A .toml file, a .py file with RECIPE in it, or an installed name.",
        autocompletion=complete_recipe,
    ),
]
MeasuredOn = Annotated[
    Literal["test", "held_out"], typer.Option("--split", help="Which data to measure on.")
]
FireRate = Annotated[
    float | None,
    number("--fire-rate", 0.0, 1.0, "Instead of the recipe's own."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N, or mps.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Where data sets lie, in torchvision's layout."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key: train.batch=32. Repeatable."),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Execute a plugin file first. Repeatable."),
]
PluginOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Give it an option: see nca plugins NAME. Repeatable."
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Execute the plugin files that it carries; only if you trust its maker."
    ),
]
Pattern = Annotated[
    str | None,
    typer.Argument(
        metavar="[PATTERN]", help="What to begin with: an .rle or .cells file, or a pattern's name."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Shard = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="HxW", help="Split the grid, not the batch, among processes: 2x1."
    ),
]

SIDE = "(?!0+([xX]|$))[0-9]{1,9}"
SIDES = f"{SIDE}([xX]{SIDE})*"
"""How sides are written: any number of whole numbers from 1, with an x between."""


def sides(text: str, option: str, form: str = SIDES, wanted: str = "") -> "Size":
    """Return what is written as 512x256: (512, 256).

    Args:
        text: What the user wrote.
        option: The option it was written for.
        form: The regular expression of all that may be written.
        wanted: The error for anything else.

    Raises:
        typer.BadParameter: It is nothing of the kind.
    """
    if not re.fullmatch(form, text):
        raise typer.BadParameter(
            wanted or f"{text!r} is not written like 2x1: whole numbers from 1, with an x between",
            param_hint=option,
        )
    return tuple(int(number) for number in text.lower().split("x"))


LONGEST = 20_000
"""Characters of an error that are shown."""

MOST_ROWS, MOST_COLUMNS = 200, 40
"""Of a table on a terminal; `--json` has all."""


def load_plugins(files: Sequence[Path] | None, trusted: str | Path | None = None) -> None:
    """Execute the plugin files that the user named, and those of a checkpoint, if it is trusted."""
    for file in files or ():
        load_file(file)
    if trusted is not None:
        from nca.checkpoint.read import load_carried

        load_carried(str(trusted), files or ())


def with_pattern(
    pattern: str | None,
    source: str | None,
    overrides: Sequence[str] | None = None,
    plugins: Sequence[Path] | None = None,
) -> tuple[str, ...]:
    """Return overrides, and last the one that lets a task begin with a pattern, if one is given.

    Args:
        pattern: A file, or a name.
        source: The recipe or the checkpoint that was named.
        overrides: `table.key=value`.
        plugins: Files that the user has named.

    Raises:
        NCAError: The task takes no pattern.
    """
    given = tuple(overrides or ())
    if pattern is None or source is None:
        return given
    from nca.checkpoint.read import pattern_override

    return (*given, *pattern_override(source, pattern, given, plugins or ()))


def given_options(given: Sequence[str] | None) -> dict[str, Any]:
    """Return the options of a plugin that `--set` has given.

    Raises:
        RecipeError: They are no `KEY=VALUE`.
    """
    from nca.recipe.draft import Draft

    return Draft.read("", given or (), "the options given").tables


def plugin_flags(files: Iterable[Path] = (), *, carried: bool = False) -> str:
    """Return what to add to a command, since a checkpoint executes no plugin file by itself."""
    return " --trust" * carried + "".join(f" --plugin {file}" for file in files)


def fail(fault: NCAError) -> None:
    """Show an error on stderr, as much of it as can be read."""
    text = f"{type(fault).__name__}: {fault}"
    more = f"\n... and {len(text) - LONGEST:,} more characters" if len(text) > LONGEST else ""
    err.print(text[:LONGEST] + more, markup=False)


def out_of_memory(fault: BaseException) -> NCAError | None:
    """Return the error to show where memory was short; None where something else is wrong."""
    words = str(fault).splitlines() or [""]
    short = ("can't allocate memory", "out of memory", "Storage size calculation overflowed")
    if not isinstance(fault, MemoryError) and not any(word in str(fault) for word in short):
        return None
    return NCAError(
        "the memory does not suffice.",
        where=words[0],
        to_do="make it smaller: [train] or [evaluate] batch, [pool] size, [grid] size, "
        "[[levels]] channels, --side of nca predict; or see what nca plan says of [train] memory",
    )


def lacking(fault: BaseException) -> NCAError | None:
    """Return the error to show where torch lacks an operation on a device; None elsewhere."""
    words = str(fault).splitlines() or [""]
    if not isinstance(fault, (NotImplementedError, TypeError)) or "MPS" not in words[0]:
        return None
    return NCAError(
        "torch cannot do this on an Apple GPU.",
        where=words[0],
        to_do="use --device cpu, or set PYTORCH_ENABLE_MPS_FALLBACK=1 in the environment",
    )


def say(text: str) -> None:
    """Print a line to stderr that is worth reading afterwards."""
    err.print(text, markup=False)


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Print each warning of ours once, as a line on stderr; leave others as they are."""
    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", NCAWarning)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, NCAWarning):
                others(message, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                say(f"note: {message}")

        warnings.showwarning = show
        yield


@contextmanager
def speaking(group: "ProcessGroup") -> Iterator[None]:
    """Let one of several processes speak: the leader, or else the first that meets a fault."""
    err.quiet = out.quiet = not group.is_leader
    try:
        yield
    except NCAError:
        err.quiet = not group.first_fault()
        raise
    finally:
        out.quiet = False


def print_result(text: str) -> None:
    """Print a line of the result to stdout."""
    if not out.quiet:
        typer.echo(visible(text))


def say_replaced(output: Output) -> None:
    """Say on stderr that something was there before, if it was."""
    if output.replaces:
        say(f"replaced {output.path}")


def show_json(value: Any) -> None:
    """Print a result as JSON to stdout."""
    print_result(dumps(value, indent=2).replace("\x7f", r"\u007f"))  # the one that JSON leaves


def show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of figures as a table, numbers to the right."""
    columns = list(dict.fromkeys(key for row in rows for key in row))[:MOST_COLUMNS]
    table = Table(box=None, pad_edge=False, header_style="")
    for column in columns:
        numbers = all(isinstance(row.get(column, 0), int | float | None) for row in rows)
        table.add_column(visible(column), justify="right" if numbers else "left")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(visible(format_figure(row.get(column, ""))) for column in columns))
    show_table(table, 100)
    if len(rows) > MOST_ROWS or any(set(row).difference(columns) for row in rows):
        say(f"the table is cut: {len(rows):,} rows in all; --json prints everything")


def show_table(table: Table, least: int = 80) -> None:
    """Print a table to stdout, on a narrow terminal as wide as its figures need.

    Args:
        table: A table of rich.
        least: Characters that its lines may have at least.
    """
    console = VisibleConsole(highlight=False, width=max(out.width, least), quiet=out.quiet)
    console.print(table, markup=False)


def show_measurements(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what was measured, and how far behind a row's disturbance lies."""
    show_rows(rows)
    known = [row for row in rows if type(row.get("steps")) is int]
    later = [row for row in known if row.get("after")]
    before = [row["steps"] for row in known if not row.get("after")]
    if later and before:
        how, when = later[0]["after"], max(before)
        since = [f"{row['steps'] - when:,}" for row in later]
        say(f"{how} at step {when:,}: the last rows are {', '.join(since)} steps after it")


def format_figure(value: Any) -> str:
    """Return a number with four decimals, for progress and tables; `n/a` is what is undefined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, float):
        return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
