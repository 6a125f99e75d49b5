"""Write the files of an examination into a folder."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from nca.checkpoint import write_whole
from nca.damage import Damage
from nca.errors import StorageError
from nca.examination import charts
from nca.examination.asking import Examination
from nca.examination.duration import TIMES
from nca.examination.page import page, settings
from nca.examination.subject import Trial
from nca.examination.verdict import findings, headline
from nca.jsonl import to_json
from nca.noise import Source
from nca.render import save_image, strip

SHOWN = 3
HURT = Damage("half", 0.5, "left")


def ready(folder: Path) -> Path:
    """Make the folder of a report.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StorageError(
            f"the folder of the report cannot be made: {fault.strerror}.",
            where=str(folder),
            to_do="choose another one: nca examine ... --out FOLDER",
        ) from fault
    return folder


def publish(examination: Examination, folder: Path) -> None:
    """Write `examination.json`, `report.html` and a PNG of each picture.

    Args:
        examination: What was found.
        folder: Is made where it is missing; files of the same names are replaced.

    Raises:
        StorageError: The folder cannot be made, or a file not written.
    """
    ready(folder)
    drawn = {
        "course": charts.course(examination),
        "conditions": charts.conditions(examination),
        "healing": charts.healing(examination),
        "pictures": pictures(examination),
    }
    plates = {name: plate for name, plate in drawn.items() if plate is not None}
    for name, plate in plates.items():
        save_image(plate, folder / f"{name}.png")
    text = to_json(told(examination), indent=1)
    write_whole(folder / "examination.json", text.encode())
    write_whole(folder / "report.html", page(examination, plates).encode())


def told(examination: Examination) -> dict[str, Any]:
    """Return everything that was found, ready for JSON; what is undefined is NaN."""
    subject = examination.subject
    answers = zip(examination.questions, findings(examination), strict=True)
    return {
        "verdict": headline(examination),
        "headline": subject.headline,
        "better": subject.trained.task.better,
        "settings": settings(examination),
        "questions": {
            question.name: {
                "asks": question.asks,
                "answer": finding.answer,
                "figures": finding.words,
                "does_not_apply": examination.barred.get(question.name),
                "random_seeds": examination.asked.get(question.name, 0),
                "conditions": [line.told() for line in examination.lines.get(question.name, [])],
            }
            for question, finding in answers
        },
    }


@torch.no_grad()
def pictures(examination: Examination) -> Image.Image | None:
    """Return a few samples through time and after damage; None unless there are two axes."""
    subject = examination.subject
    trained, steps = subject.trained, subject.plan.steps
    if len(trained.recipe.tables.grid.size) != 2:
        return None
    trial = Trial(subject, 0)
    batch = trial.batch.select(slice(0, SHOWN))
    columns = {}
    for moment in trial.walk(batch.state, [0, *(times * steps for times in TIMES)]):
        columns[f"step {moment.step}"] = moment.state
    state = columns[f"step {steps}"]
    cut = HURT.hurt(
        state, Source(trial.random_seed, state.step, state.samples), trained.automaton.written
    )
    for moment in trial.walk(cut, [0, steps, 4 * steps]):
        columns[f"cut, +{moment.step}"] = moment.state
    shown = [trained.task.picture(trained.automaton.finish(one)) for one in columns.values()]
    return strip(shown, list(columns)).image()
