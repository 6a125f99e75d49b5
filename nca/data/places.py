"""Where the files of a data set may lie: torchvision's layout first, then what people make of it.

Below each root these folders are looked into, in this order: `NAME/raw`, which alone is written
to, and then, in whatever case `NAME` is written, `name/raw`, `name`, `raw` and the root itself;
the root may also be `NAME` or `NAME/raw`. In `raw` and in the root several data sets may lie,
whose files have the same names: they count only where the bytes of one are the right ones.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nca.data.idx import FileStatus, IdxFile, RawFolder
from nca.errors import DataError


@dataclass(frozen=True)
class Place:
    """A folder in which files of a data set may lie.

    Attributes:
        folder: It.
        certain: Whether what lies there must be of this data set.
    """

    folder: RawFolder
    certain: bool


def places(name: str, root: Path) -> list[Place]:
    """Return where the files of a data set may lie below a root, each folder once.

    Args:
        name: The data set's folder in torchvision's layout.
        root: What `--data` or `NCA_DATA` names, or the cache; it may be the data set's own folder.
    """
    found = [
        Place(RawFolder(_layout(name, root)), True),
        Place(RawFolder(root / name / "raw"), True),
    ]
    for folder in _named_like(name, root):
        found += [Place(RawFolder(folder / "raw"), True), Place(RawFolder(folder), True)]
    own = [folder for folder in (root, root.parent) if _bare(folder.name) == _bare(name)]
    found += [Place(RawFolder(root / "raw"), bool(own)), Place(RawFolder(root), bool(own))]
    once: dict[Path, Place] = {}
    for place in found:
        path = place.folder.path
        if not any(_same(path, other) for other in once):
            once[path] = place
    return list(once.values())


def holding(name: str, roots: list[Path], files: tuple[IdxFile, ...]) -> list[RawFolder]:
    """Return the folders to read from; the first is that which is written to.

    Args:
        name: The data set's folder in torchvision's layout.
        roots: Where to look, in this order.
        files: All files of the data set.
    """
    found: list[RawFolder] = []
    for root in roots:
        first, *others = places(name, root)
        found.append(first.folder)
        found += [place.folder for place in others if _holds(place, files)]
    return found


def strangers(name: str, roots: list[Path], files: tuple[IdxFile, ...]) -> list[Path]:
    """Return folders that hold files of these names, but none with the bytes of this data set."""
    each = [place for root in roots for place in places(name, root) if not place.certain]
    named = [p for p in each if any(p.folder.find(file) is not None for file in files)]
    return [place.folder.path for place in named if not _holds(place, files)]


def status(file: IdxFile, folders: list[RawFolder]) -> FileStatus:
    """Return what became of a file, all of whose bytes are hashed."""
    for folder in folders:
        path = folder.find(file)
        if path is None:
            continue
        try:
            folder.read(file)
        except DataError as fault:
            return FileStatus(file.name, "wrong", path, fault)
        return FileStatus(file.name, "ok", path)
    return FileStatus(file.name, "missing")


def _holds(place: Place, files: tuple[IdxFile, ...]) -> bool:
    """Return whether any of the files lies in a place; in an uncertain one, with its bytes."""
    there = [file for file in files if place.folder.find(file) is not None]
    return bool(there) and (
        place.certain or any(status(file, [place.folder]).state == "ok" for file in there)
    )


def _layout(name: str, root: Path) -> Path:
    """Return the folder to write to: torchvision's, also where the root is a part of it."""
    if root.name == "raw" and _bare(root.parent.name) == _bare(name):
        return root
    return root / "raw" if _bare(root.name) == _bare(name) else root / name / "raw"


def _named_like(name: str, root: Path) -> list[Path]:
    """Return folders whose name is that of the data set but for case, dashes and underscores."""
    try:
        entries = sorted(root.iterdir())
        return [entry for entry in entries if _bare(entry.name) == _bare(name) and entry.is_dir()]
    except OSError:
        return []


def _bare(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).casefold()


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False
