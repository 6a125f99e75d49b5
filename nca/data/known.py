"""What a run knows of its data: classes, colours and fingerprint, kept with the run.

A data set of one's own says its classes only where its files lie. A checkpoint carries them, so
that it is drawn, exported and played where they do not; and a fingerprint of what was trained on,
so that it is never measured, or trained on, with other pictures unnoticed. Nothing that lies on the
disk is read for a checkpoint but what it was trained on, or what its reader names.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nca.data.dataset import Dataset, Split
from nca.data.labelled import LabelledImages
from nca.errors import DataError
from nca.jsonl import dumps
from nca.progress import SILENT, Progress
from nca.recipe.paths import from_root
from nca.recipe.recipe_files import KeptFile, RecipeFiles
from nca.registry.options import named_parts, outside_paths, plugin_options
from nca.registry.registry import registry
from nca.types import OutsideFile
from nca.validation.faults import OptionError, toml_value

RECORD = "dataset.json"
"""The file in which a run keeps what it knows of its data."""


class NamedDataset:
    """The data set that a recipe names, by a name alone or by a table with its options.

    Args:
        given: As a recipe has it.
        key: The task's option that names it.
        files: The files of the run: `context.files` of a task.

    Raises:
        OptionError: Its options are not what it takes.
        RegistryError: There is no such data set.
        DataError: Its classes cannot be found out.
    """

    def __init__(self, given: str | Mapping[str, Any], key: str, files: RecipeFiles) -> None:
        self.name, options = named_parts("dataset", given, key)
        self._files = files
        thing = registry.get("dataset", self.name)
        paths = [text for _, _, text in outside_paths(thing, options)]
        self._trusted = not any(map(files.out_of_reach, paths))
        checked = plugin_options("dataset", self.name, options, (key,), self._place)
        try:
            self.dataset: Dataset = thing(**checked)
        except OptionError as error:  # of values that are fine alone, but not together
            where = f"{key} = {toml_value(given)}"
            raise OptionError([fault.placed((key,)) for fault in error.faults], where) from None
        known = self._carried()
        self.classes = tuple(known.get("classes") or self.dataset.classes)
        self.channels = int(known.get("channels") or self.dataset.channels)
        self._fingerprint = str(known.get("sha256", ""))
        self._keep()

    def load(
        self, split: Split, folder: Path | None = None, progress: Progress = SILENT
    ) -> LabelledImages:
        """Return one split; see `Dataset.load`.

        Raises:
            DataError: The data cannot be had, or are not those that the checkpoint was trained on.
        """
        if fingerprint := self.dataset.fingerprint(progress):
            if not self._trusted and fingerprint != self._fingerprint:
                raise DataError(
                    f"the data set {self.name!r} holds other data than the checkpoint was "
                    "trained on.",
                    where=f"{self.dataset.place or self.name}, {self._files.label}",
                    to_do="give the data it was trained on, or name these: "
                    f"--set task.dataset.path={self.dataset.place or 'PATH'}",
                )
            self._fingerprint = fingerprint
        loaded = self.dataset.load(split, folder, progress)
        if tuple(self.dataset.classes) != self.classes:
            raise DataError(
                f"the data set {self.name!r} has other classes than the automaton has learnt.",
                where=f"it has {_words(self.dataset.classes)}; learnt were {_words(self.classes)}",
                to_do="give data with the same classes in the same order, or train anew",
            )
        self.channels = loaded.images.shape[1]
        self._keep()
        return loaded

    def _place(self, text: str, mark: OutsideFile) -> Path:
        return Path(from_root(text, self._files.folder)) if mark.stays else self._files.place(text)

    def _carried(self) -> Mapping[str, Any]:
        """Return what the checkpoint carries of this data set; nothing where there is none."""
        content = self._files.get(RECORD) if self._files.sealed else None
        try:
            record = json.loads(content or b"{}")
            right = isinstance(record, dict) and record.get("name") == self.name
            classes = record.get("classes") if right else []
            named = isinstance(classes, list) and all(isinstance(c, str) and c for c in classes)
            return record if right and named and type(record.get("channels")) is int else {}
        except ValueError:
            return {}

    def _keep(self) -> None:
        """Let the run keep it, unless the class of the data set says all of it."""
        if isinstance(getattr(type(self.dataset), "classes", None), tuple | list):
            return
        record = {"name": self.name, "classes": list(self.classes), "channels": self.channels}
        record |= {"sha256": self._fingerprint} if self._fingerprint else {}
        self._files.keep(RECORD, KeptFile(dumps(record, indent=2).encode() + b"\n"))


def _words(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:8])
    return f"{len(classes)}: {shown}{', ...' * (len(classes) > 8)}"
