"""The curve of a population: how many cells are anything but 0, over the steps."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from nca.files import write_whole


def save_population(steps: Sequence[int], counts: Sequence[int], path: Path) -> None:
    """Draw a population over the steps.

    Args:
        steps: In order.
        counts: How many cells there are at each.
        path: The PNG file.

    Raises:
        StorageError: It cannot be written.
    """
    # imported here, because it takes a second that only a run's end can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(steps, counts, color="#0072b2", linewidth=1)
    axes.set_xlabel("step")
    axes.set_ylabel("cells")
    axes.set_ylim(bottom=0)
    content = BytesIO()
    figure.savefig(content, dpi=120, format="png")
    write_whole(path, content.getvalue())
