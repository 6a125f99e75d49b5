"""The family tree of a population: who filled which place, and whose copy it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from nca.files import write_whole

BLUE, GREY = "#0072b2", "#bbbbbb"


@dataclass(frozen=True)
class Tenure:
    """The time of an individual in its place.

    Attributes:
        number: The individual's.
        parent: The number of the one that it is a copy of, or None.
        member: The place that it fills.
        begins: The iteration in which it begins.
        ends: The one in which another takes its place, or the last one.
    """

    number: int
    parent: int | None
    member: int
    begins: int
    ends: int


def tenures(records: Sequence[Mapping[str, Any]]) -> list[Tenure]:
    """Return all individuals that the records of a run name, in their order.

    Args:
        records: What `metrics.jsonl` holds.
    """
    rows = [row for row in records if row.get("kind") == "member" and _whole(row)]
    last = max((row["iteration"] for row in records), default=0)
    found = []
    for place, row in enumerate(rows):
        after = (r["iteration"] for r in rows[place + 1 :] if r["member"] == row["member"])
        ends = next(after, last)
        who, begins = row["individual"], row["iteration"]
        found.append(Tenure(who, row["parent"], row["member"], begins, ends))
    return found


def ancestors(every: Sequence[Tenure], number: int) -> list[int]:
    """Return an individual and all that it descends from, itself first."""
    parents = {tenure.number: tenure.parent for tenure in every}
    found = [number]
    while (parent := parents.get(found[-1])) is not None and parent not in found:
        found.append(parent)
    return found


def best_individual(records: Sequence[Mapping[str, Any]], headline: str, *, more: bool) -> int:
    """Return the individual that was judged best in the last validation; -1: there was none.

    Args:
        records: What `metrics.jsonl` holds.
        headline: The metric.
        more: Whether more of it is better.
    """
    judged = [row for row in records if row.get("kind") == "judged"]
    if not judged:
        return -1
    numbers, scores = judged[-1].get("individuals", []), judged[-1].get(headline, [])
    known = [(s, n) for s, n in zip(scores, numbers, strict=False) if type(s) in (int, float)]
    if not known:
        return -1
    return (max if more else min)(known, key=lambda pair: pair[0])[1]


def save_lineage(
    records: Sequence[Mapping[str, Any]], headline: str, path: Path, *, more: bool
) -> None:
    """Draw who filled which place of a population; the line of the best is in colour.

    Args:
        records: What `metrics.jsonl` holds.
        headline: The metric that members are judged by.
        path: The PNG file.
        more: Whether more of it is better.

    Raises:
        StorageError: It cannot be written.
    """
    # imported here, because it takes a second that only a run's end can spare
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    every = tenures(records)
    line = ancestors(every, best_individual(records, headline, more=more))
    places = {tenure.number: tenure.member for tenure in every}
    count = len({tenure.member for tenure in every})
    figure = Figure(figsize=(7, 1.5 + 0.35 * count), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for tenure in every:
        colour = BLUE if tenure.number in line else GREY
        axes.plot([tenure.begins, tenure.ends], [tenure.member] * 2, color=colour, linewidth=2)
        axes.plot([tenure.begins], [tenure.member], color=colour, marker="o", markersize=4)
        axes.annotate(
            str(tenure.number),
            (tenure.begins, tenure.member),
            xytext=(2, 4),
            textcoords="offset points",
            fontsize=7,
        )
        if tenure.parent in places:
            ends = [places[tenure.parent], tenure.member]
            axes.plot([tenure.begins] * 2, ends, color=colour, linewidth=1, linestyle=":")
    axes.set_xlabel("iteration")
    axes.set_ylabel("member")
    axes.set_yticks(range(count))
    axes.invert_yaxis()
    content = BytesIO()
    figure.savefig(content, dpi=120, format="png")
    write_whole(path, content.getvalue())


def _whole(row: Mapping[str, Any]) -> bool:
    """Return whether a row is one of an individual: a log that was edited may hold others."""
    numbers = all(type(row.get(name)) is int for name in ("individual", "member"))
    return numbers and type(row.get("parent", "")) in (int, type(None))
