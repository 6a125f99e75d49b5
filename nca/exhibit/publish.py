"""Write the files of a study into a folder."""

from pathlib import Path

from PIL import Image

from nca.checkpoint import write_whole
from nca.errors import StorageError
from nca.exhibit import charts, plates
from nca.exhibit.page import page
from nca.jsonl import to_json
from nca.render import save_image
from nca.study import Study, headline, verdict
from nca.study.summary import told


def plates_of(study: Study) -> dict[str, Image.Image]:
    """Return all pictures of a study of two axes, by name."""
    return {
        "components": plates.components(study),
        "angles": plates.angles(study),
        "outlines": plates.outlines(study),
        "through_time": plates.through_time(study),
        "pictures": plates.pictures(study),
        "course": charts.course(study),
        "sweep": charts.sweep(study),
        "rest": charts.rest(study),
    }


def publish(study: Study, folder: Path) -> None:
    """Write `islands.json`, `report.html` and a PNG of each picture.

    Args:
        study: Of an automaton with two axes of space.
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
    shown = plates_of(study)
    for name, plate in shown.items():
        save_image(plate, folder / f"{name}.png")
    write_whole(folder / "islands.json", to_json(findings(study), indent=1).encode())
    write_whole(folder / "report.html", page(study, shown).encode())


def findings(study: Study) -> dict[str, object]:
    """Return all figures and the verdict on them, ready for JSON."""
    found = verdict(study)
    answers = {one.question: {"answer": one.answer, "figures": one.words} for one in found}
    return {"verdict": headline(found), "answers": answers, **told(study)}
