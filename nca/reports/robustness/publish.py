"""Write the files of an examination into a folder."""

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from nca.checkpoint import write_whole
from nca.damage import Damage
from nca.errors import StorageError
from nca.noise import Source
from nca.render import save_image, strip
from nca.reports.robustness import charts
from nca.reports.robustness.duration import TIMES
from nca.reports.robustness.model import SeedRun
from nca.reports.robustness.page import page, settings
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.verdict import findings, headline

SHOWN = 3
HURT = Damage("half", 0.5, "left")


def make_folder(folder: Path) -> Path:
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


def publish(result: RobustnessResult, folder: Path) -> None:
    """Write `examination.json`, `report.html` and a PNG of each picture.

    Args:
        result: What was found.
        folder: Is made where it is missing; files of the same names are replaced.

    Raises:
        StorageError: The folder cannot be made, or a file not written.
    """
    make_folder(folder)
    drawn = {
        "course": charts.course(result),
        "conditions": charts.conditions(result),
        "healing": charts.healing(result),
        "pictures": pictures(result),
    }
    plates = {name: plate for name, plate in drawn.items() if plate is not None}
    for name, plate in plates.items():
        save_image(plate, folder / f"{name}.png")
    text = json.dumps(to_json(result), indent=1, allow_nan=False)
    write_whole(folder / "examination.json", text.encode())
    write_whole(folder / "report.html", page(result, plates).encode())


def to_json(result: RobustnessResult) -> dict[str, Any]:
    """Return everything that was found, ready for JSON; what is undefined is null."""
    model = result.model
    answers = zip(result.checks, findings(result), strict=True)
    return {
        "verdict": headline(result),
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


@torch.no_grad()
def pictures(result: RobustnessResult) -> Image.Image | None:
    """Return a few samples through time and after damage; None unless there are two axes."""
    model = result.model
    trained, steps = model.trained, model.plan.steps
    if len(trained.recipe.tables.grid.size) != 2:
        return None
    seed_run = SeedRun(model, 0)
    batch = seed_run.batch.select(slice(0, SHOWN))
    columns = {}
    for moment in seed_run.walk(batch.state, [0, *(times * steps for times in TIMES)]):
        columns[f"step {moment.step}"] = moment.state
    state = columns[f"step {steps}"]
    cut = HURT.hurt(
        state, Source(seed_run.random_seed, state.step, state.samples), trained.automaton.written
    )
    for moment in seed_run.walk(cut, [0, steps, 4 * steps]):
        columns[f"cut, +{moment.step}"] = moment.state
    shown = [trained.task.picture(trained.automaton.finish(one)) for one in columns.values()]
    return strip(shown, list(columns)).image()
