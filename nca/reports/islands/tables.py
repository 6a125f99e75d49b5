"""Tables of the figures of islands."""

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from nca.reports.islands.run import COURSE, IslandsResult
from nca.reports.islands.summary import over_samples
from nca.reports.numbers import format_number, with_deviation
from nca.reports.table import Table

LEVEL = {
    "contrast": "contrast",
    "collapse": "collapse",
    "rank": "effective rank",
    "islands": "islands",
    "area": "mean area",
    "weighted area": "weighted area",
    "coverage": "coverage",
    "effective": "effective number",
    "settled": "settled at step",
}
FIT = ("ARI", "NMI", "overlap")
BESIDE = ("contrast", "collapse", "islands", "weighted area", "coverage", "effective", "energy")


def table_lines(result: IslandsResult) -> list[dict[str, str]]:
    """Return one line per level for the terminal: contrast and collapse side by side."""
    own, rows = result.own.figures, []
    for name in result.levels:
        row = {"level": name}
        for figure in ("contrast", "collapse", "islands", "weighted area", "coverage"):
            row[figure] = _mean(own["level", name, figure])
        for group, control in result.controls.items():
            row[f"contrast, {group}"] = _mean(control.figures["level", name, "contrast"])
        rows.append(row)
    for lower, upper in pairwise(rows):
        name = ("nesting", lower["level"], upper["level"])
        lower["nests above"] = _mean(own[*name, "nesting"])
        lower["by chance"] = _mean(own[*name, "moved"])
    return rows


def levels(result: IslandsResult) -> Table:
    """Return the measures of each level."""
    figures = result.own.figures
    rows = [[name, *(_cell(figures["level", name, f]) for f in LEVEL)] for name in result.levels]
    return Table(1, ["level", *LEVEL.values()], rows)


def beside_controls(result: IslandsResult) -> Table:
    """Return the measures of each level, of every group."""
    rows = [
        [name, group, *(_cell(own.figures["level", name, figure]) for figure in BESIDE)]
        for name in result.levels
        for group, own in result.groups.items()
    ]
    return Table(2, ["level", "", *(LEVEL.get(figure, figure) for figure in BESIDE)], rows)


def growth(result: IslandsResult) -> Table:
    """Return how islands grow with level."""
    measures = dict.fromkeys(name[1] for name in result.own.figures if name[0] == "growth")
    rows = [
        [
            measure,
            group,
            *(_cell(own.figures["growth", measure, f]) for f in ("spearman", "rising")),
        ]
        for measure in measures
        for group, own in result.groups.items()
    ]
    return Table(2, ["", "", "rank correlation", "share of samples that never fall"], rows)


def nesting_table(result: IslandsResult) -> Table:
    """Return how islands lie in those of the level above."""
    columns = ["level", "above it", "", "nesting", "moved at random", "difference", "samples"]
    rows = []
    for lower, upper in pairwise(result.levels):
        for group, own in result.groups.items():
            cells = [
                own.figures["nesting", lower, upper, figure]
                for figure in ("nesting", "moved", "beyond")
            ]
            count = str(over_samples(cells[-1]).known)
            rows.append([lower, upper, group, *map(_cell, cells), count])
    return Table(3, columns, rows)


def areas(result: IslandsResult) -> Table:
    """Return the areas under the curves of the sweep."""
    figures = ("weighted share", "coverage", "islands")
    rows = [
        [name, group, *(_cell(own.figures["area", name, figure]) for figure in figures)]
        for name in result.levels
        for group, own in result.groups.items()
    ]
    return Table(2, ["level", "", *figures], rows)


def truths(result: IslandsResult) -> Iterator[tuple[str, Table]]:
    """Yield each kind of true segments, and how well levels match it."""
    figures = [f"{how}: {figure}" for figure in FIT for how in ("islands", "clusters")]
    names = [name for name in result.own.figures if name[0] == "truth"]
    for kind in dict.fromkeys(name[1] for name in names):
        rows = []
        for place in dict.fromkeys(name[2] for name in names if name[1] == kind):
            for group, own in result.groups.items():
                found = [own.figures.get(("truth", kind, place, figure)) for figure in figures]
                if any(values is not None for values in found):
                    rows.append([place, group, *map(_cell, found)])
                if place not in result.levels:  # no weights, so all groups are alike
                    rows[-1][1] = ""
                    break
        yield kind, Table(2, ["level", "", *figures], rows)


def probes(result: IslandsResult) -> Table:
    """Return what a linear probe tells of the cells, from each level of every group."""
    names = [name for name in result.own.figures if name[0] == "probe"]
    kinds = list(dict.fromkeys(name[1] for name in names))
    rows = []
    for place in dict.fromkeys(name[2] for name in names):
        # what has no weights is alike in all groups
        groups = result.groups if place in result.levels else {"": result.own}
        for group, own in groups.items():
            found = [own.figures.get(("probe", kind, place)) for kind in kinds]
            if any(values is not None for values in found):
                rows.append([place, group, *map(_cell, found)])
    return Table(2, ["level", "", *kinds], rows)


def course_table(result: IslandsResult) -> Table:
    """Return contrast, collapse, islands, energy and change at each moment."""
    rows = []
    for name in result.levels:
        change = result.own.figures["change", name]
        for place, moment in enumerate(result.plan.moments):
            cells = [result.own.figures["course", name, figure][:, place] for figure in COURSE]
            rows.append([name, str(moment), *map(_cell, [*cells, change[:, moment - 1]])])
    return Table(2, ["level", "step", *COURSE, "relative change"], rows)


def _mean(values: Tensor) -> str:
    return format_number(over_samples(values).without_rounding.mean)


def _cell(values: Tensor | None) -> str:
    return with_deviation(None if values is None else over_samples(values))
