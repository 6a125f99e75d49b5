"""Draw curves of a study: over steps, over thresholds, and towards rest."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from nca.analysis.dynamics import SETTLED
from nca.reports.islands import IslandsResult

LOOKS = {
    "trained": {"color": "#0072b2", "linewidth": 2.0},
    "untrained": {"color": "#d55e00", "linewidth": 1.4, "linestyle": "--"},
    "shuffled": {"color": "#8a8a8a", "linewidth": 1.4, "linestyle": ":"},
}
QUIET = "#666666"
WIDE, HIGH = 2.9, 2.0


def course(result: IslandsResult) -> Image.Image:
    """Return contrast, collapse and number of islands over the steps, level by level."""
    rows = ["contrast", "collapse", "islands"]
    figure, panels = _panels(result, rows)
    for row, name in enumerate(rows):
        for column, level in enumerate(result.levels):
            panel = panels[row][column]
            for group, values in result.figures("course", level, name).items():
                means = values.nanmean(dim=0)
                panel.plot(result.plan.moments, means, marker=".", label=group, **LOOKS[group])
            panel.axvline(result.plan.steps, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
            if row == len(rows) - 1:
                panel.set_xlabel("step")
    return _finished(figure, panels)


def sweep(result: IslandsResult) -> Image.Image:
    """Return area, coverage and number of islands over the threshold, level by level."""
    rows = ["weighted share", "coverage", "islands"]
    figure, panels = _panels(result, rows)
    for row, name in enumerate(rows):
        for column, level in enumerate(result.levels):
            panel = panels[row][column]
            for group, values in result.figures("sweep", level, name).items():
                means = values.mean(dim=0)
                panel.plot(result.plan.thresholds, means, marker=".", label=group, **LOOKS[group])
            panel.axvline(result.plan.threshold, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
            if row == len(rows) - 1:
                panel.set_xlabel("threshold of the cosine")
    return _finished(figure, panels)


def rest(result: IslandsResult) -> Image.Image:
    """Return the relative change of each step, level by level."""
    figure, panels = _panels(result, ["relative change"])
    for panel, level in zip(panels[0], result.levels, strict=True):
        for group, values in result.figures("change", level).items():
            means = values.nanmean(dim=0)
            if (means > 0).any():
                panel.plot(range(1, len(means) + 1), means, label=group, **LOOKS[group])
        panel.set_yscale("log")
        panel.axhline(SETTLED, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
        panel.axvline(result.plan.steps, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
        panel.set_xlabel("step")
    return _finished(figure, panels)


def _panels(result: IslandsResult, rows: Sequence[str]) -> tuple[Any, Any]:
    # imported here, because it takes a second that only a report can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(result.levels)
    size = (max(WIDE * columns, 4.2) + 0.5, HIGH * len(rows) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), columns, sharex=True, sharey="row", squeeze=False)
    for column, level in enumerate(result.levels):
        panels[0][column].set_title(level, fontsize=11, color="#222222")
    for row, name in enumerate(rows):
        panels[row][0].set_ylabel(name, color="#222222")
    for panel in panels.flat:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color("#bbbbbb")
        panel.tick_params(labelsize=8, colors=QUIET)
        panel.grid(color="#eeeeee", linewidth=0.8)
    return figure, panels


def _finished(figure: Any, panels: Any) -> Image.Image:
    handles, labels = panels[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format="png")
    content.seek(0)
    return Image.open(content).convert("RGB")
