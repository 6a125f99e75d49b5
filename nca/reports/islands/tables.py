"""Lay the figures of a study out in tables of text."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor

from nca.reports.islands import Study
from nca.reports.islands.run import COURSE
from nca.reports.islands.summary import DUST, Summary, summary

NONE = "–"  # noqa: RUF001
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


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        words: How many columns from the left hold words; numbers follow.
        columns: The heads of all columns.
        rows: Their text.
    """

    words: int
    columns: Sequence[str]
    rows: list[list[str]]


def lines(study: Study) -> list[dict[str, Any]]:
    """Return one line per level for the terminal: contrast and collapse side by side."""
    rows = []
    for name in study.levels:
        row: dict[str, Any] = {"level": name}
        for figure in ("contrast", "collapse", "islands", "weighted area", "coverage"):
            row[figure] = summary(study.own.figures["level", name, figure]).mean
        for arm, own in study.controls.items():
            row[f"contrast, {arm}"] = summary(own.figures["level", name, "contrast"]).mean
        rows.append(row)
    for lower, upper in pairwise(rows):
        name = ("nesting", lower["level"], upper["level"])
        lower["nests above"] = summary(study.own.figures[*name, "nesting"]).mean
        lower["by chance"] = summary(study.own.figures[*name, "moved"]).mean
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def levels(study: Study) -> Table:
    """Return the measures of each level."""
    figures = study.own.figures
    rows = [[name, *(_cell(figures["level", name, f]) for f in LEVEL)] for name in study.levels]
    return Table(1, ["level", *LEVEL.values()], rows)


def beside_controls(study: Study) -> Table:
    """Return the measures of each level, of every arm."""
    rows = [
        [name, arm, *(_cell(own.figures["level", name, figure]) for figure in BESIDE)]
        for name in study.levels
        for arm, own in study.arms.items()
    ]
    return Table(2, ["level", "", *(LEVEL.get(figure, figure) for figure in BESIDE)], rows)


def growth(study: Study) -> Table:
    """Return how islands grow with level."""
    ways = dict.fromkeys(name[1] for name in study.own.figures if name[0] == "growth")
    rows = [
        [way, arm, *(_cell(own.figures["growth", way, f]) for f in ("spearman", "rising"))]
        for way in ways
        for arm, own in study.arms.items()
    ]
    return Table(2, ["", "", "rank correlation", "share of samples that never fall"], rows)


def nesting(study: Study) -> Table:
    """Return how islands lie in those of the level above."""
    columns = ["level", "above it", "", "nesting", "moved at random", "difference", "samples"]
    rows = []
    for lower, upper in pairwise(study.levels):
        for arm, own in study.arms.items():
            cells = [
                own.figures["nesting", lower, upper, figure]
                for figure in ("nesting", "moved", "beyond")
            ]
            count = str(summary(cells[-1]).samples)
            rows.append([lower, upper, arm, *map(_cell, cells), count])
    return Table(3, columns, rows)


def areas(study: Study) -> Table:
    """Return the areas under the curves of the sweep."""
    figures = ("weighted share", "coverage", "islands")
    rows = [
        [name, arm, *(_cell(own.figures["area", name, figure]) for figure in figures)]
        for name in study.levels
        for arm, own in study.arms.items()
    ]
    return Table(2, ["level", "", *figures], rows)


def truths(study: Study) -> Iterator[tuple[str, Table]]:
    """Yield each kind of true segments, and how well levels match it."""
    figures = [f"{how}: {figure}" for figure in FIT for how in ("islands", "clusters")]
    names = [name for name in study.own.figures if name[0] == "truth"]
    for kind in dict.fromkeys(name[1] for name in names):
        rows = []
        for place in dict.fromkeys(name[2] for name in names if name[1] == kind):
            for arm, own in study.arms.items():
                found = [
                    own.figures.get(
                        ("truth", kind, place, figure),
                        own.figures.get(("truth", kind, place, _as_patches(figure))),
                    )
                    for figure in figures
                ]
                if any(values is not None for values in found):
                    rows.append([place, arm, *map(_cell, found)])
                if place not in study.levels:  # no weights, so all arms are alike
                    rows[-1][1] = ""
                    break
        yield kind, Table(2, ["level", "", *figures], rows)


def probes(study: Study) -> Table:
    """Return what a linear probe tells of the cells, from each level of every arm."""
    names = [name for name in study.own.figures if name[0] == "probe"]
    kinds = list(dict.fromkeys(name[1] for name in names))
    rows = []
    for place in dict.fromkeys(name[2] for name in names):
        # what has no weights is alike in all arms
        arms = study.arms if place in study.levels else {"": study.own}
        for arm, own in arms.items():
            found = [own.figures.get(("probe", kind, place)) for kind in kinds]
            if any(values is not None for values in found):
                rows.append([place, arm, *map(_cell, found)])
    return Table(2, ["level", "", *kinds], rows)


def course(study: Study) -> Table:
    """Return contrast, collapse, islands, energy and change at each moment."""
    rows = []
    for name in study.levels:
        change = study.own.figures["change", name]
        for place, moment in enumerate(study.plan.moments):
            cells = [study.own.figures["course", name, figure][:, place] for figure in COURSE]
            rows.append([name, str(moment), *map(_cell, [*cells, change[:, moment - 1]])])
    return Table(2, ["level", "step", *COURSE, "relative change"], rows)


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return NONE
    return value if abs(value) >= DUST else 0.0


def _as_patches(figure: str) -> str:
    # patches know neither the number of segments nor any features, as islands do not
    return figure.replace("islands", "patches")


def _cell(values: Tensor | None) -> str:
    if values is None:
        return NONE
    one: Summary = summary(values)
    if not one.samples:
        return NONE
    spread = "" if one.samples < 2 else f" ± {_number(one.deviation)}"
    return f"{_number(one.mean)}{spread}"


def _number(value: float) -> str:
    size = abs(value)
    if size < DUST:
        return "0.00"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.0005 else f"{value:.0e}"
