"""Charts of islands: curves over steps, over thresholds, and towards rest."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from nca.engine.rollouts import TOLERANCE
from nca.reports.figures import INK, MARK, panels, picture_of
from nca.reports.islands.run import IslandsResult

LOOKS = {
    "trained": {"color": "#0072b2", "linewidth": 2.0},
    "untrained": {"color": "#d55e00", "linewidth": 1.4, "linestyle": "--"},
    "shuffled": {"color": "#8a8a8a", "linewidth": 1.4, "linestyle": ":"},
}
WIDE, HIGH = 2.9, 2.0


def course_chart(result: IslandsResult) -> Image.Image:
    """Return contrast, collapse and number of islands over the steps, level by level."""
    plan = result.plan
    rows = ("contrast", "collapse", "islands")
    return _curves(result, "course", rows, plan.moments, plan.steps, "step")


def threshold_chart(result: IslandsResult) -> Image.Image:
    """Return area, coverage and number of islands over the threshold, level by level."""
    plan, rows = result.plan, ("weighted share", "coverage", "islands")
    below = "threshold of the cosine"
    return _curves(result, "sweep", rows, plan.thresholds, plan.threshold, below)


def rest(result: IslandsResult) -> Image.Image:
    """Return the relative change of each step, level by level."""
    figure, grid = _panels(result, ["relative change"])
    for panel, level in zip(grid[0], result.levels, strict=True):
        for group, values in result.figures("change", level).items():
            means = values.nanmean(dim=0)
            if (means > 0).any():
                panel.plot(range(1, len(means) + 1), means, label=group, **LOOKS[group])
        panel.set_yscale("log")
        panel.axhline(TOLERANCE, **MARK)
        panel.axvline(result.plan.steps, **MARK)
        panel.set_xlabel("step")
    return _finished(figure, grid[0, 0])


def _curves(
    result: IslandsResult,
    kind: str,
    rows: Sequence[str],
    at: Sequence[float],
    marked: float,
    below: str,
) -> Image.Image:
    """Return the means of a row's figure, level by level, with a place of the axis marked."""
    figure, grid = _panels(result, rows)
    for row, name in zip(grid, rows, strict=True):
        for panel, level in zip(row, result.levels, strict=True):
            for group, values in result.figures(kind, level, name).items():
                panel.plot(at, values.nanmean(dim=0), marker=".", label=group, **LOOKS[group])
            panel.axvline(marked, **MARK)
    for panel in grid[-1]:
        panel.set_xlabel(below)
    return _finished(figure, grid[0, 0])


def _panels(result: IslandsResult, rows: Sequence[str]) -> tuple[Any, Any]:
    columns = len(result.levels)
    size = (max(WIDE * columns, 4.2) + 0.5, HIGH * len(rows) + 0.6)
    figure, grid = panels((len(rows), columns), size, share_rows=True)
    for panel, level in zip(grid[0], result.levels, strict=True):
        panel.set_title(level, fontsize=11, color=INK)
    for panel, name in zip(grid[:, 0], rows, strict=True):
        panel.set_ylabel(name, color=INK)
    return figure, grid


def _finished(figure: Any, panel: Any) -> Image.Image:
    """Return the figure with the legend of one panel below all of them."""
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return picture_of(figure)
