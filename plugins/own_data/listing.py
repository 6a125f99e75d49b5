"""What lies in a folder of pictures: classes, and which pictures are for the test."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nca import DataError
from nca.data import by_number, pictures_below

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Listing:
    """What lies in a folder of pictures.

    Attributes:
        classes: Names of classes, 10 after 9.
        files: The pictures, each with its class and whether the folder says it is for the test.
        left_out: What is not taken for a picture of a class.
        split: Whether the folder says which pictures are for the test.
    """

    classes: tuple[str, ...]
    files: tuple[tuple[Path, int, bool], ...]
    left_out: tuple[Path, ...]
    split: bool


def list_pictures(root: Path) -> Listing:
    """Return what lies in a folder that has one folder for each class, or `train` and `test` alone.

    Raises:
        DataError: It is missing, or has no pictures in folders.
    """
    try:
        split = {folder.name for folder in _folders(root)} == set(SPLITS)
        parts = [root / name for name in SPLITS] if split else [root]
        classes = tuple(folder.name for folder in _folders(parts[0]))
        if not classes:
            raise _refusal(root, "has no folder in it: there are no classes", parts[0])
        left = [e for each in {root, *parts} for e in each.iterdir() if e.is_file()]
        files: list[tuple[Path, int, bool]] = []
        for part in parts:
            for label, found, others in _classes(root, part, classes):
                left += others
                files += [(file, label, split and part.name == "test") for file in found]
    except OSError as fault:
        raise DataError(
            f"the folder {root.name!r} cannot be read: {fault.strerror}.",
            where=str(root),
            to_do="give a folder with one folder of pictures for each class; for a checkpoint "
            "whose data lie elsewhere now: --set task.dataset.path=FOLDER",
        ) from fault
    return Listing(classes, tuple(files), tuple(sorted(left)), split)


def _classes(
    root: Path, part: Path, classes: tuple[str, ...]
) -> Iterator[tuple[int, list[Path], list[Path]]]:
    """Yield of each class its number, its pictures, and what is none."""
    if others := [folder.name for folder in _folders(part) if folder.name not in classes]:
        raise _refusal(root, f"has classes to test alone: {', '.join(others)}", part)
    for label, name in enumerate(classes):
        place = part / name
        found, others = pictures_below(place) if place.is_dir() else ([], [])
        if not found and part.name != "test":
            raise _refusal(root, f"has no picture of the class {name!r}", place)
        yield label, found, others


def _refusal(root: Path, what: str, where: Path) -> DataError:
    return DataError(
        f"the folder {root.name!r} {what}.",
        where=str(where),
        to_do="give one folder of pictures for each class; or folders train and test, with the "
        "same classes in both",
    )


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, 10 after 9."""
    found = [e for e in folder.iterdir() if e.is_dir() and not e.name.startswith(".")]
    return sorted(found, key=lambda path: by_number(Path(path.name)))
