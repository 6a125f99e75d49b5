"""The files of a report, written into a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from nca.checkpoint.trained import Trained
from nca.errors import StorageError
from nca.files import write_whole
from nca.jsonl import dumps
from nca.render.sheet import save_image


def make_report_folder(folder: Path, verb: str) -> Path:
    """Make the folder of a report.

    Args:
        folder: It may be there already.
        verb: The command that asks for it.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StorageError(
            f"the folder of the report cannot be made: {fault.strerror}.",
            where=str(folder),
            to_do=f"choose another one: nca {verb} ... --out FOLDER",
        ) from fault
    return folder


def write_report(
    folder: Path, name: str, found: dict[str, Any], pictures: Mapping[str, Image.Image], page: str
) -> None:
    """Write `NAME.json`, `report.html` and a PNG of each picture.

    Args:
        folder: It is there; files of the same names are replaced.
        name: Of the file of numbers, without its ending.
        found: The numbers.
        pictures: By name.
        page: HTML.

    Raises:
        StorageError: A file cannot be written.
    """
    text = dumps(found, indent=1)
    write_whole(folder / f"{name}.json", text.encode())  # first: the folder is known by it
    for title, picture in pictures.items():
        save_image(picture, folder / f"{title}.png")
    write_whole(folder / "report.html", page.encode())


def checkpoint_settings(trained: Trained) -> dict[str, str]:
    """Return in words what every report depends on: the checkpoint and its grid."""
    grid = trained.recipe.tables.grid
    return {
        "checkpoint": str(trained.path),
        "iteration": f"{trained.checkpoint.iteration:,}",
        "overrides": ", ".join(trained.recipe.overrides) or "none",
        "grid": " x ".join(map(str, grid.size)),
        "beyond the edge": ", ".join(grid.topology),
    }
