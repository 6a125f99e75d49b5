"""Print what a sweep found, best combination first."""

from collections.abc import Sequence

from rich.table import Table

from nca.cli.console import format_figure, print_result, show_table
from nca.reports.statistics import Statistics
from nca.sweep.results import VariantResult

WIDTH = 100
"""At least so wide, since figures that are cut in two cannot be compared."""


def show_lines(lines: Sequence[VariantResult], headline: str) -> None:
    """Print a row for each combination: the headline at every moment, and what failed.

    Least and greatest are of the first moment, by which the table is sorted.
    """
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("combination", overflow="fold")
    for column in ("runs", "parameters"):
        table.add_column(column, justify="right", no_wrap=True)
    moments = _moments(lines)
    for number, moment in enumerate(moments):
        table.add_column(f"{headline} {moment}", justify="right", no_wrap=number == 0)
        if number == 0:
            table.add_column("min", justify="right", no_wrap=True)
            table.add_column("max", justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*_row(line, headline, len(moments)))
    show_table(table, WIDTH)
    for line in lines:
        for seed, why in line.failed.items():
            print_result(f"failed: {' '.join([line.title, f'seed {seed}']).lstrip()}: {why}")


def _row(line: VariantResult, headline: str, moments: int) -> list[str]:
    runs = len(line.random_seeds)
    row = [
        line.title or "the recipe",
        f"{runs} of {runs + len(line.failed)}" if line.failed else str(runs),
        f"{line.parameters:,}" if runs else "",
    ]
    for number in range(moments):
        there = number < len(line.moments) and headline in line.moments[number].metrics
        one = line.moments[number].metrics[headline] if there else None
        row.append(_with_deviation(one))
        if number == 0:
            row += [format_figure(one.least), format_figure(one.greatest)] if one else ["", ""]
    return row


def _with_deviation(one: Statistics | None) -> str:
    if one is None:
        return ""
    return format_figure(one.mean) + f" \u00b1 {format_figure(one.deviation)}" * (one.known > 1)


def _moments(lines: Sequence[VariantResult]) -> list[str]:
    """Return what to call the moments: by their steps, if those are the same for all."""
    every = [line.moments for line in lines if line.moments]
    names = [[f"at {m.steps}{f' after {m.after}' * bool(m.after)}" for m in each] for each in every]
    if all(each == names[0] for each in names):
        return names[0] if names else []
    longest = max(names, key=len)
    return [f"at moment {number + 1}" for number in range(len(longest))]
