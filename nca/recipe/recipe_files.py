"""The files that a recipe names: read from the disk, or from the checkpoint that carries them.

A file goes by the path that the recipe writes. What was read is remembered, so that a run can keep
it: in its checkpoints, and as copies in its folder. The files of a checkpoint are a world of their
own: nothing that its recipe names is looked for on the disk of whoever opens it.
"""

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from nca.errors import NCAError
from nca.files import is_file, is_folder, read_bounded, user_path

Role: TypeAlias = Literal["plugin", "module", "data"]

MOST = 1 << 30
"""Bytes of a file that is read at most."""

NAMED = "a file that the recipe names"

LARGEST = 32 << 20
"""Bytes of a file that is kept at most."""

COPIES = "files"
"""The folder of the copies in a run's folder."""

WHERE = ".folder"
"""How the note of a run ends that says where a folder of data lies."""


@dataclass(frozen=True)
class KeptFile:
    """A file as it was read.

    Attributes:
        content: Its bytes.
        role: A plugin to execute, a module beside one, or data.
    """

    content: bytes = field(repr=False)
    role: Role = "data"


class RecipeFiles:
    """The files of one recipe, by the path that it writes.

    Args:
        folder: Where relative paths start.
        carried: The files that a checkpoint carries; None: the recipe is not from a checkpoint.
        label: What errors call the place of the carried files.
    """

    def __init__(
        self, folder: Path, carried: Mapping[str, KeptFile] | None = None, label: str = ""
    ) -> None:
        self.folder = folder
        self.label = label or str(folder)
        self._carried = carried
        self._copies: dict[str, Path] = {}
        self._permitted: set[str] = set()
        self._read: dict[str, KeptFile] = {}

    @property
    def sealed(self) -> bool:
        """Whether the disk is out of reach, but for what was permitted."""
        return self._carried is not None

    def out_of_reach(self, path: str) -> bool:
        """Return whether a file would be read from the checkpoint alone."""
        return self.sealed and path not in self._permitted

    def permit(self, paths: Iterable[str]) -> None:
        """Let absolute paths be read from the disk: the user has named them."""
        self._permitted.update(paths)

    def get(self, path: str, role: Role = "data") -> bytes | None:
        """Return the bytes of a file, or None: there is none within reach.

        Raises:
            NCAError: It is there and cannot be read.
        """
        if path in self._copies:
            return self._read[path].content
        if (carried := (self._carried or {}).get(path)) is not None:
            return carried.content
        if self.out_of_reach(path):
            return None
        for place in (self.place(path), self.folder / COPIES / copy_name(path)):
            if not is_file(place):
                continue
            content = read_bounded(place, MOST, NAMED, "let it be read, or name another", NCAError)
            self.keep(path, KeptFile(content, role))
            return content
        return None

    def keep(self, path: str, file: KeptFile) -> None:
        """Remember a file that was read; a plugin stays one, whoever else imports it."""
        before = self._read.get(path)
        role = "plugin" if before and before.role == "plugin" else file.role
        self._read[path] = KeptFile(file.content, role)

    def use_copies(self, run: Path) -> None:
        """Prefer the copies of plugins in a run's folder to what its checkpoint carries."""
        for path, file in (self._carried or {}).items():
            copy = run / COPIES / copy_name(path)
            if file.role != "data" and is_file(copy):
                self._copies[path] = copy
                self.keep(path, KeptFile(read_bounded(copy, MOST, NAMED), file.role))

    def copied(self) -> list[str]:
        """Return the plugin files whose copies are used."""
        return [path for path in self.plugins() if path in self._copies]

    def is_folder(self, path: str) -> bool:
        """Return whether a path leads to a folder within reach."""
        if not self.sealed:
            return is_folder(self.place(path))
        return any(name.startswith(f"{path}/") for name in self._carried or ())

    def data_folder(self, path: str) -> Path | None:
        """Return where a folder of data lies, which is too much to be kept: a run notes its place.

        A checkpoint's recipe reaches such a folder by the note in the run's own folder alone; a
        file that came by itself is no reason to look anywhere.

        Returns:
            A path from the root, whether or not a folder is there; None: it is out of reach.
        """
        note = path + WHERE
        if not self.out_of_reach(path):
            found = os.path.abspath(self.place(path))  # noqa: PTH100, links stay
            self.keep(note, KeptFile(os.fsencode(found)))
            return Path(found)
        copy = self.folder / COPIES / copy_name(note)
        if not is_file(copy):
            return None
        content = read_bounded(copy, LARGEST, NAMED)
        self.keep(note, KeptFile(content))
        return Path(os.fsdecode(content))

    def place(self, path: str) -> Path:
        """Return where a file lies, or would lie, on the disk."""
        if path in self._copies:
            return self._copies[path]
        if self.out_of_reach(path):
            return Path(self.label) / path
        return self.folder / user_path(path)

    def beside(self, path: str, name: str) -> str:
        """Return the path of what lies beside a file."""
        return posixpath.join(posixpath.dirname(path.replace(os.sep, "/")), name)

    def kept(self) -> dict[str, KeptFile]:
        """Return all files that a run keeps: carried or read, and not too large."""
        every = {**(self._carried or {}), **self._read}
        return {path: file for path, file in every.items() if len(file.content) <= LARGEST}

    def too_large(self) -> list[str]:
        """Return the files that were read and are not kept."""
        return [path for path, file in self._read.items() if len(file.content) > LARGEST]

    def plugins(self) -> list[str]:
        """Return the plugin files that are kept."""
        return [path for path, file in self.kept().items() if file.role == "plugin"]


def copy_name(path: str) -> str:
    """Return under which name a run's folder keeps a file: one for each path, and inside it.

    A path below the recipe's folder stays as it is; any other gets a folder of its own, and so do
    all files of one folder.
    """
    plain = path.replace("\\", "/")
    parts = plain.split("/")
    inner = all(re.fullmatch(r"[\w][\w .+-]*", part) for part in parts)
    if inner:
        return plain
    digest = hashlib.sha256("/".join(parts[:-1]).encode("utf-8", "replace")).hexdigest()[:8]
    name = re.sub(r"[^\w.+-]", "_", parts[-1]).lstrip(".") or "file"
    return f"outside-{digest}/{name}"
