"""Write the files of a study into a folder."""

import json
from pathlib import Path

from PIL import Image

from nca.checkpoint import write_whole
from nca.errors import StorageError
from nca.render import save_image
from nca.reports.islands import IslandsResult, charts, headline, verdict
from nca.reports.islands import pictures as pictures
from nca.reports.islands.page import page
from nca.reports.islands.summary import to_json


def all_pictures(result: IslandsResult) -> dict[str, Image.Image]:
    """Return all pictures of a study of two axes, by name."""
    return {
        "components": pictures.components(result),
        "angles": pictures.angles(result),
        "outlines": pictures.outlines(result),
        "through_time": pictures.through_time(result),
        "pictures": pictures.pictures(result),
        "course": charts.course(result),
        "sweep": charts.sweep(result),
        "rest": charts.rest(result),
    }


def publish(result: IslandsResult, folder: Path) -> None:
    """Write `islands.json`, `report.html` and a PNG of each picture.

    Args:
        result: Of an automaton with two axes of space.
        folder: Is made where it is missing; files of the same names are replaced.

    Raises:
        StorageError: The folder cannot be made, or a file not written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StorageError(
            f"the folder of the report cannot be made: {fault.strerror}.",
            where=str(folder),
            to_do="choose another one: nca islands ... --out FOLDER",
        ) from fault
    shown = all_pictures(result)
    for name, picture in shown.items():
        save_image(picture, folder / f"{name}.png")
    write_whole(folder / "islands.json", json.dumps(findings(result), indent=1).encode())
    write_whole(folder / "report.html", page(result, shown).encode())


def findings(result: IslandsResult) -> dict[str, object]:
    """Return all figures and the verdict on them, ready for JSON."""
    found = verdict(result)
    answers = {one.question: {"answer": one.answer, "figures": one.words} for one in found}
    return {"verdict": headline(found), "answers": answers, **to_json(result)}
