"""Charts of the checks: over time, condition by condition, and how damage heals."""

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from nca.reports.figures import INK, MARK, QUIET, panels, picture_of
from nca.reports.robustness.damage import Wound
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.summary import CheckSummary
from nca.reports.statistics import Statistics

OWN, LONG, UNCHANGED, BAD = "#0072b2", "#c26a00", "#8a8a8a", "#d55e00"
MOST_TICKS = 11
CARETLEFT = 4
"""The number of matplotlib's marker: an arrow whose tip is at its place."""
COLOURS = 10


def metric_chart(result: RobustnessResult) -> Image.Image | None:
    """Return the headline over time in the band of its interval, and that of the long run."""
    figure = _course(result)
    return figure and picture_of(figure)


def _course(result: RobustnessResult) -> Any:
    """Return `course` as a figure of matplotlib, or None if no moment has a finite headline."""
    plan, task = result.model.plan, result.model.trained.task
    points = _measured(result, "duration")
    all_samples = [(line.steps, line.headline) for line in points]
    long_run = [stop for line in _measured(result, "long run") for stop in line.curve]
    tracks = {"all samples": (all_samples, OWN), "the samples of the long run": (long_run, LONG)}
    tracks = {
        name: (known, colour)
        for name, (stops, colour) in tracks.items()
        if (known := [stop for stop in stops if stop[1].known])
    }
    if not tracks:
        return None
    figure, ((panel,),) = panels((1, 1), (7.2, 3.4))
    for number, (name, (stops, colour)) in enumerate(tracks.items()):
        _band(panel, stops, colour, name, layer=4 - number)  # few samples below many
    given = [stop for stops, _ in tracks.values() for stop in stops]
    steps = [step for step, _ in given]
    _steps_axis(panel, min(*steps, plan.steps), max(*steps, plan.steps))
    _fit(panel, "y", [one for _, one in given])
    panel.axvline(plan.steps, **MARK)
    panel.annotate(
        f"trained: {plan.steps:,} steps",
        (plan.steps, 1.0),
        (0, 3),
        xycoords=panel.get_xaxis_transform(),
        textcoords="offset points",
        fontsize=8,
        color=QUIET,
    )
    if len(tracks) > 1:
        panel.legend(
            fontsize=8, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.98)
        )
    panel.set_ylabel(f"{result.model.headline} ({task.better} is better)", fontsize=9)
    return figure


def conditions(result: RobustnessResult) -> Image.Image | None:
    """Return the headline under every condition beside what it is without the change."""
    groups = [
        (check.name, rows) for check in result.checks if (rows := _measured(result, check.name))
    ]
    if not groups:
        return None
    count = sum(len(rows) for _, rows in groups)
    size = (8.2, 0.24 * count + 0.42 * len(groups) + 0.8)
    figure, grid = panels((len(groups), 1), size, heights=[len(rows) for _, rows in groups])
    for panel, (name, rows) in zip(grid[:, 0], groups, strict=True):
        for place, line in enumerate(rows):
            if line.unchanged is not None:
                panel.plot(
                    [line.unchanged.mean],
                    [place],
                    marker="|",
                    markersize=13,
                    color=UNCHANGED,
                    zorder=2,
                )
            _dot(panel, line.headline, place, bad=bool(line.exploded))
        panel.set_yticks(range(len(rows)), [str(line.condition) for line in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(name, fontsize=10, loc="left", color=INK)
    kept = [one for _, rows in groups for line in rows for one in (line.headline, line.unchanged)]
    _fit(grid[0, 0], "x", [one for one in kept if one is not None])
    _mark_cut(grid[:, 0], [rows for _, rows in groups])
    grid[-1, 0].set_xlabel(result.model.headline, fontsize=9)
    return picture_of(figure)


def healing(result: RobustnessResult) -> Image.Image | None:
    """Return the headline over the steps since each wound."""
    figure = _healing(result)
    return figure and picture_of(figure)


def _healing(result: RobustnessResult) -> Any:
    """Return `healing` as a figure of matplotlib, or None if no wound has a course."""
    wounds: dict[int, list[tuple[Wound, CheckSummary]]] = {}
    for line in result.summaries.get("damage", []):
        if isinstance(line.condition, Wound) and line.curve:
            wounds.setdefault(line.condition.at, []).append((line.condition, line))
    if not wounds:
        return None
    figure, grid = panels((len(wounds), 1), (8.2, 2.5 * len(wounds)))
    for panel, (moment, rows) in zip(grid[:, 0], wounds.items(), strict=True):
        for place, (wound, line) in enumerate(rows):
            steps, means = zip(*((step, one.mean) for step, one in line.curve), strict=True)
            look: dict[str, Any] = {"color": UNCHANGED, "linestyle": (0, (4, 2)), "linewidth": 1.6}
            if line.unchanged is not None:
                again = place > COLOURS  # the colours come a second time, broken
                look = {"color": f"C{(place - 1) % COLOURS}", "linewidth": 1.2}
                look |= {"linestyle": (0, (3, 1))} if again else {}
            panel.plot(steps, means, label=wound.name, **look)
        panel.set_title(f"damaged at step {moment}", fontsize=10, loc="left", color=INK)
        panel.set_ylabel(result.model.headline, fontsize=9)
        panel.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    grid[-1, 0].set_xlabel("steps since the damage", fontsize=9)
    return figure


def _measured(result: RobustnessResult, check: str) -> list[CheckSummary]:
    return [line for line in result.summaries.get(check, []) if line.metrics]


def _band(
    panel: Any, stops: Sequence[tuple[int, Statistics]], colour: str, name: str, layer: int
) -> None:
    """Draw means as a line, and their intervals as a band around it, or as a bar for one alone."""
    steps, given = zip(*stops, strict=True)
    low, high = [one.low for one in given], [one.high for one in given]
    panel.plot(
        steps, [one.mean for one in given], color=colour, linewidth=1.6, marker="o", markersize=4,
        label=name, zorder=layer,
    )  # fmt: skip
    if len(stops) == 1:
        panel.vlines(steps, low, high, color=colour, linewidth=1.2)
        return
    panel.fill_between(
        steps, low, high, facecolor=(colour, 0.16), edgecolor=(colour, 0.5), linewidth=0.8
    )


def _dot(panel: Any, one: Statistics, place: float, *, bad: bool = False) -> None:
    if math.isnan(one.mean):
        return
    reach = 0.0 if math.isnan(one.low) else one.high - one.mean
    panel.errorbar(
        [one.mean],
        [place],
        xerr=[reach],
        fmt="o",
        markersize=4,
        capsize=2,
        color=BAD if bad else OWN,
    )


def _mark_cut(column: Sequence[Any], groups: Sequence[Sequence[CheckSummary]]) -> None:
    """Put an arrow where an interval goes on beyond the left end of the axis.

    On a logarithmic axis that is any interval that reaches 0.
    """
    left, _ = column[0].get_xlim()
    for panel, rows in zip(column, groups, strict=True):
        for place, line in enumerate(rows):
            if line.headline.low < left:
                colour = BAD if line.exploded else OWN
                panel.plot([left], [place], marker=CARETLEFT, color=colour, clip_on=False, zorder=5)


def _steps_axis(panel: Any, first: int, last: int) -> None:
    """Let the axis below count steps by their logarithm, in numbers that people read."""
    panel.set_xscale("log")
    panel.set_xlim(first / 1.12, last * 1.12)
    ticks = round_steps(first, last)
    panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("steps", fontsize=9)


def round_steps(first: int, last: int) -> list[int]:
    """Return the round numbers from the first to the last: 10, 20, 50, 100, ...

    Powers of ten alone where there would be too many; the ends where there are fewer than two.
    """
    rounds = [
        [times * 10**power for power in range(len(str(last))) for times in each]
        for each in ((1, 2, 5), (1,))
    ]
    inside = [[tick for tick in ticks if first <= tick <= last] for ticks in rounds]
    ticks = inside[0] if len(inside[0]) <= MOST_TICKS else inside[1]
    return ticks if len(ticks) > 1 else sorted({first, last})


def _fit(panel: Any, axis: str, given: Sequence[Statistics]) -> None:
    """Let an axis span what is drawn; by its logarithm where means span more than a hundredfold.

    Where no mean is below zero, the axis is not either, however far down an interval reaches; a
    logarithmic one reaches to a hundredth of the least mean. Intervals leave the picture there.
    """
    means = [one.mean for one in given if math.isfinite(one.mean)]
    if not means or min(means) < 0:
        return
    set_limits = panel.set_ylim if axis == "y" else panel.set_xlim
    ends = [*means, *(one.high for one in given if math.isfinite(one.high))]
    if min(means) > 0 and max(means) > 100 * min(means):
        (panel.set_yscale if axis == "y" else panel.set_xscale)("log")
        (panel.yaxis if axis == "y" else panel.xaxis).set_major_formatter("{x:g}")
        lows = [one.low for one in given if one.low > 0]
        least = min(min(means) / 2, max(min(lows, default=math.inf) / 1.3, min(means) / 100))
        set_limits(least, max(ends) * 1.3)
        return
    low, high = panel.get_ylim() if axis == "y" else panel.get_xlim()
    if low < 0:
        set_limits(-0.03 * high, high)
