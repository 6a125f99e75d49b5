"""The curve of a training run: loss and held-out headline over the iterations."""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from nca.files import write_whole

GREATEST = 1e30
"""What a chart can show at most."""


def save_curve(records: Sequence[dict[str, Any]], headline: str, path: Path) -> None:
    """Draw the loss and the held-out headline over the iterations.

    Args:
        records: What `metrics.jsonl` holds.
        headline: The metric to draw beside the loss.
        path: The PNG file.

    Raises:
        StorageError: It cannot be written.
    """
    # imported here, because it takes a second that only a run's end can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    losses = _curve(records, "train", "loss")
    held = _curve(records, "held_out", headline)
    if losses:
        left.plot(*zip(*losses, strict=True), color="#0072b2", linewidth=1, label="loss")
        if all(loss > 0 for _, loss in losses if loss == loss):
            left.set_yscale("log")
    left.set_xlabel("iteration")
    left.set_ylabel("loss", color="#0072b2")
    if held:
        right = left.twinx()
        right.plot(*zip(*held, strict=True), color="#d55e00", marker="o", markersize=3)
        right.set_ylabel(f"{headline}, held out", color="#d55e00")
    content = BytesIO()
    figure.savefig(content, dpi=120, format="png")
    write_whole(path, content.getvalue())


def _curve(records: Sequence[dict[str, Any]], kind: str, name: str) -> list[tuple[int, float]]:
    """Return pairs of iteration and value; what is undefined is NaN, and a gap in the curve."""
    return [(r["iteration"], _number(r.get(name))) for r in records if r.get("kind") == kind]


def _number(value: Any) -> float:
    """Return what a chart can show: NaN for null, and for what a damaged log says instead."""
    known = type(value) in (int, float) and abs(value) < GREATEST
    return float(value) if known else math.nan
