"""The files of the report on robustness."""

import math
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from nca.reports.publish import make_report_folder, write_report
from nca.reports.report import Report
from nca.reports.robustness import charts
from nca.reports.robustness.page import robustness_page, settings
from nca.reports.robustness.pictures import robustness_pictures
from nca.reports.robustness.pulse import Pulse, TimeUpError
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.tables import result_rows
from nca.reports.robustness.verdict import findings, robustness_headline
from nca.reports.table import Table


def publish_robustness(result: RobustnessResult, folder: Path, until: float = math.inf) -> None:
    """Write `examination.json`, `report.html` and a PNG of each picture.

    Args:
        result: What was found.
        folder: Is made where it is missing; files of the same names are replaced.
        until: When the time is up, as `time.monotonic` counts; pictures of samples that are not
            drawn by then are left out.

    Raises:
        StorageError: The folder cannot be made, or a file not written.
    """
    make_report_folder(folder, "examine")
    drawn = {
        "course": charts.metric_chart(result),
        "conditions": charts.conditions(result),
        "healing": charts.healing(result),
        "pictures": _pictures(result, until),
    }
    shown = {name: picture for name, picture in drawn.items() if picture is not None}
    write_report(
        folder, "examination", robustness_to_json(result), shown, robustness_page(result, shown)
    )


def _pictures(result: RobustnessResult, until: float) -> Image.Image | None:
    try:
        return robustness_pictures(result.model, Pulse(until))
    except TimeUpError:
        return None


def robustness_to_json(result: RobustnessResult) -> dict[str, Any]:
    """Return everything that was found, ready for JSON; what is undefined is null."""
    model = result.model
    answers = zip(result.checks, findings(result), strict=True)
    return {
        "verdict": robustness_headline(result),
        "headline": model.headline,
        "better": model.trained.task.better,
        "settings": settings(result),
        "questions": {
            check.name: {
                "asks": check.question,
                "answer": finding.answer,
                "figures": finding.words,
                "does_not_apply": result.barred.get(check.name),
                "random_seeds": result.asked.get(check.name, 0),
                "conditions": [line.to_json() for line in result.summaries.get(check.name, [])],
            }
            for check, finding in answers
        },
    }


def robustness_report(result: RobustnessResult) -> Report:
    """Return what Python shows of it."""
    columns = ("check", "condition", result.model.headline, "change")
    return Report(
        title=f"Robustness of {result.model.trained.recipe.name}",
        headline=robustness_headline(result),
        findings=findings(result),
        figures=robustness_to_json(result),
        shown=Table(2, columns, result_rows(result)),
        publish=partial(publish_robustness, result),
    )
