"""Draw an examination: over time, condition by condition, and how wounds heal."""

import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from nca.examination.asking import Examination
from nca.examination.summary import Interval, Line

OWN, BESIDE, BAD, QUIET = "#0072b2", "#8a8a8a", "#d55e00", "#666666"


def course(examination: Examination) -> Image.Image | None:
    """Return the headline over time, with intervals, and the course of the long run."""
    points = examination.lines.get("duration", [])
    long = examination.lines.get("long run", [])
    points = [line for line in [*points, *long] if line.headline.known]
    if not points:
        return None
    figure, (panel,) = _panels(1, 6.4, 3.0)
    for line in long:
        steps, means = zip(*line.curve, strict=True)
        panel.plot(steps, means, color=OWN, linewidth=1.4, alpha=0.6)
    panel.plot(
        [line.steps for line in points if line not in long],
        [line.headline.mean for line in points if line not in long],
        color=OWN,
        linewidth=1.4,
    )
    for line in points:
        _dot(panel, line.headline, line.steps, upright=True)
    panel.set_xscale("log")
    panel.axvline(examination.subject.plan.steps, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    panel.set_xlabel("step")
    panel.set_ylabel(examination.subject.headline)
    _fit(panel, "y", [line.headline for line in points])
    return _finished(figure)


def conditions(examination: Examination) -> Image.Image | None:
    """Return the headline under every condition beside what it is without the change."""
    groups = [
        (question.name, rows)
        for question in examination.questions
        if (rows := _measured(examination, question.name))
    ]
    if not groups:
        return None
    count = sum(len(rows) for _, rows in groups)
    figure, panels = _panels(
        len(groups), 8.2, 0.24 * count + 0.42 * len(groups) + 0.8, [len(r) for _, r in groups]
    )
    for panel, (name, rows) in zip(panels, groups, strict=True):
        for place, line in enumerate(rows):
            if line.beside is not None:
                panel.plot(
                    [line.beside.mean], [place], marker="|", markersize=13, color=BESIDE, zorder=2
                )
            _dot(panel, line.headline, place, bad=bool(line.exploded))
        panel.set_yticks(range(len(rows)), [line.condition for line in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(name, fontsize=10, loc="left", color="#222222")
    kept = [one for _, rows in groups for line in rows for one in (line.headline, line.beside)]
    _fit(panels[0], "x", [one for one in kept if one is not None])
    panels[-1].set_xlabel(examination.subject.headline)
    return _finished(figure)


def healing(examination: Examination) -> Image.Image | None:
    """Return the headline over the steps since each wound."""
    rows = [line for line in examination.lines.get("damage", []) if line.curve]
    if not rows:
        return None
    moments = list(dict.fromkeys(line.condition.rpartition(", at ")[2] for line in rows))
    figure, panels = _panels(len(moments), 8.2, 2.5 * len(moments))
    for panel, moment in zip(panels, moments, strict=True):
        for place, line in enumerate(r for r in rows if r.condition.endswith(moment)):
            steps, means = zip(*line.curve, strict=True)
            name = line.condition.rpartition(", at ")[0]
            look: dict[str, Any] = {"color": BESIDE, "linestyle": (0, (4, 2)), "linewidth": 1.6}
            if line.beside is not None:
                look = {"color": f"C{(place - 1) % 10}", "linewidth": 1.2}
            panel.plot(steps, means, label=name, **look)
        panel.set_title(f"damaged at {moment}", fontsize=10, loc="left", color="#222222")
        panel.set_ylabel(examination.subject.headline)
        panel.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    panels[-1].set_xlabel("steps since the damage")
    return _finished(figure)


def _measured(examination: Examination, question: str) -> list[Line]:
    return [line for line in examination.lines.get(question, []) if line.metrics]


def _dot(panel: Any, one: Interval, place: float, *, upright: bool = False, bad: bool = False):
    if math.isnan(one.mean):
        return
    reach = 0.0 if math.isnan(one.low) else one.high - one.mean
    at = (place, one.mean) if upright else (one.mean, place)
    error = {"yerr" if upright else "xerr": [reach]}
    panel.errorbar(
        [at[0]], [at[1]], **error, fmt="o", markersize=4, capsize=2, color=BAD if bad else OWN
    )


def _fit(panel: Any, axis: str, told: Sequence[Interval]) -> None:
    """Let an axis span what is told; by its logarithm where it spans more than a hundredfold."""
    means = [one.mean for one in told if math.isfinite(one.mean)]
    if means and min(means) > 0 and max(means) > 100 * min(means):
        (panel.set_yscale if axis == "y" else panel.set_xscale)("log")


def _panels(
    count: int, wide: float, high: float, heights: Sequence[float] | None = None
) -> tuple[Any, Any]:
    # imported here, because it takes a second that only a report can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide, high), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(count, 1, squeeze=False, sharex=True, height_ratios=heights)
    for panel in grid[:, 0]:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color("#bbbbbb")
        panel.tick_params(labelsize=8, colors=QUIET)
        panel.grid(color="#eeeeee", linewidth=0.8)
    return figure, list(grid[:, 0])


def _finished(figure: Any) -> Image.Image:
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format="png")
    content.seek(0)
    return Image.open(content).convert("RGB")
