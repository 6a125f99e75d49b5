"""What `nca predict` writes: a table that grows with each batch, and pictures beside it."""

import csv
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from torch import Tensor

from nca.errors import StorageError
from nca.files import safe_name, unused
from nca.jsonl import JsonLines
from nca.render.sheet import save_image
from nca.tasks.prediction import Prediction

NAME = "the table of predictions"
TO_DO = "free some space, or choose another folder: --out FOLDER"


class PredictionFiles:
    """A folder in which each prediction becomes a row of a table, and its pictures files.

    A row is whole as soon as it is there: a kill costs those that were not written yet.

    Args:
        folder: A folder without files.
        kind: Whether the table is CSV, or JSON, a line for each picture.
        pictures: Whether pictures are written.
    """

    def __init__(self, folder: Path, kind: Literal["csv", "json"], pictures: bool) -> None:
        ending = "csv" if kind == "csv" else "jsonl"
        self.folder, self.table = folder, folder / f"predictions.{ending}"
        self.pictures = pictures
        self._lines = JsonLines(self.table, NAME, TO_DO) if kind == "json" else None
        self._columns: list[str] = []

    def write(self, name: str, prediction: Prediction) -> None:
        """Write the pictures of one prediction, and then its row.

        Args:
            name: Of the file that was looked at, or of the sample.
            prediction: What was said of it.

        Raises:
            StorageError: They cannot be written.
        """
        row: dict[str, Any] = {"file": name, **prediction.values}
        if self.pictures:
            row |= {
                f"{kind} file": self._picture(f"{Path(name).stem}.{kind}.png", picture)
                for kind, picture in prediction.pictures.items()
            }
        if self._lines:
            self._lines.append(row)
        else:
            self._append(flattened(row))

    def remove_if_empty(self) -> None:
        """Remove the folder, if nothing was written."""
        with suppress(OSError):
            self.folder.rmdir()

    def _picture(self, name: str, picture: Tensor) -> str:
        """Write a picture under a name that is free, and return that."""
        pixels = picture.movedim(0, -1).cpu().contiguous()
        image = Image.fromarray((pixels[..., 0] if pixels.shape[-1] == 1 else pixels).numpy())
        path = unused(self.folder / safe_name(name))
        save_image(image, path)
        return path.name

    def _append(self, row: Mapping[str, Any]) -> None:
        text = StringIO()
        writer = csv.writer(text)
        if not self._columns:
            self._columns = [*row]
            writer.writerow(self._columns)
        writer.writerow([_figure(row.get(column, "")) for column in self._columns])
        try:
            with self.table.open("a", encoding="utf-8", newline="") as file:
                file.write(text.getvalue())
        except OSError as fault:
            what = f"{NAME} cannot be written: {fault.strerror}."
            raise StorageError(what, where=str(self.table), to_do=TO_DO) from fault


def flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with a column for each name of a mapping in it: `votes: cat`."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{name}: {inner}": each for inner, each in value.items()}
        else:
            found[name] = value
    return found


def _figure(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
