"""The files of the report on islands."""

from functools import partial
from pathlib import Path
from typing import Any

from nca.reports.islands import charts, pictures
from nca.reports.islands.page import islands_page
from nca.reports.islands.run import IslandsResult
from nca.reports.islands.summary import measurements
from nca.reports.islands.tables import table_lines
from nca.reports.islands.verdict import islands_headline, verdict
from nca.reports.publish import make_report_folder, write_report
from nca.reports.report import Report
from nca.reports.table import Table


def publish_islands(result: IslandsResult, folder: Path) -> None:
    """Write `islands.json`, `report.html` and a PNG of each picture.

    Args:
        result: Of an automaton with two axes of space.
        folder: Is made where it is missing; files of the same names are replaced.

    Raises:
        StorageError: The folder cannot be made, or a file not written.
    """
    make_report_folder(folder, "islands")
    shown = {
        "components": pictures.components_picture(result),
        "angles": pictures.angles(result),
        "outlines": pictures.outlines(result),
        "through_time": pictures.through_time(result),
        "pictures": pictures.islands_pictures(result),
        "course": charts.course_chart(result),
        "sweep": charts.threshold_chart(result),
        "rest": charts.rest(result),
    }
    write_report(folder, "islands", islands_to_json(result), shown, islands_page(result, shown))


def islands_to_json(result: IslandsResult) -> dict[str, Any]:
    """Return all figures and the verdict on them, ready for JSON."""
    found = verdict(result)
    answers = {one.question: {"answer": one.answer, "figures": one.words} for one in found}
    return {"verdict": islands_headline(found), "answers": answers, **measurements(result)}


def islands_report(result: IslandsResult) -> Report:
    """Return what Python shows of it."""
    found, rows = verdict(result), table_lines(result)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Report(
        title=f"Islands of {result.trained.recipe.name}",
        headline=islands_headline(found),
        findings=found,
        figures=islands_to_json(result),
        shown=Table(1, columns, [[row.get(name, "") for name in columns] for row in rows]),
        publish=partial(publish_islands, result),
    )
