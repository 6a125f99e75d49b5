"""Charts of a report: panels of matplotlib in one look, and how they become pictures."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

INK, QUIET = "#222222", "#666666"
MARK: dict[str, Any] = {"color": QUIET, "linewidth": 0.8, "linestyle": (0, (1, 2))}
"""How a line looks that marks a step, a threshold or a bound."""


def panels(
    shape: tuple[int, int],
    size: tuple[float, float],
    *,
    heights: Sequence[float] | None = None,
    share_rows: bool = False,
) -> tuple[Any, Any]:
    """Return a figure and its panels, `(rows, columns)`, which share the axis below.

    Args:
        shape: Rows and columns.
        size: Width and height in inches.
        heights: Of the rows, in proportion; equal ones if None.
        share_rows: Whether the panels of a row share the axis beside them.
    """
    # imported here, because it takes a second that only a report can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        *shape,
        squeeze=False,
        sharex=True,
        sharey="row" if share_rows else False,
        height_ratios=heights,
    )
    for panel in grid.flat:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color("#bbbbbb")
        panel.tick_params(labelsize=8, colors=QUIET)
        panel.grid(color="#eeeeee", linewidth=0.8)
    return figure, grid


def picture_of(figure: Any) -> Image.Image:
    """Return a figure as a picture."""
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format="png")
    content.seek(0)
    return Image.open(content).convert("RGB")
