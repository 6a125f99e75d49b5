"""Picture files: found, and read as bytes; `pictures` decodes them."""

import os
import re
import warnings
from pathlib import Path

from nca.errors import NCAWarning, PictureError
from nca.files import is_file, is_folder, read_bounded
from nca.suggest import did_you_mean

SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "ICO": (".ico",),
}
"""How the files of each format end that is read."""

READ = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
REFUSED = frozenset((".svg", ".eps", ".ps", ".pdf", ".psd", ".xcf", ".heic", ".heif", ".jp2"))
"""How files end that are pictures, but of no format that is read."""

MOST_BYTES = 1 << 30
NAMED = 5
"""So many files are named at most, where several are left out."""


def read_picture_file(path: Path) -> bytes:
    """Return the bytes of a picture file, not decoded yet.

    Raises:
        PictureError: It is missing, a folder, too long, or may not be read.
    """
    if not is_file(path):
        raise _no_file(path)
    to_do = "give yourself the right to read it, or choose another, smaller file"
    return read_bounded(path, MOST_BYTES, "the picture", to_do, PictureError)


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files of a folder, 10 after 9; what else is there is named once.

    Raises:
        PictureError: There is none, or the folder may not be read.
    """
    try:
        entries = sorted(folder.iterdir(), key=_counted)
    except OSError as fault:
        raise PictureError(
            f"the folder cannot be read: {fault.strerror}.",
            where=str(folder),
            to_do="give a folder of pictures that you may read",
        ) from fault
    files = [e for e in entries if is_picture(e)]
    if not files:
        raise PictureError(
            "there is no picture in this folder.",
            where=str(folder),
            to_do=f"fill it with pictures that end in {', '.join(sorted(READ))}",
        )
    if len(files) < len(entries):
        left = [entry.name for entry in entries if entry not in files]
        more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
        text = f"{folder}: not taken for pictures: {', '.join(left[:NAMED])}{more}"
        warnings.warn(text, NCAWarning, stacklevel=2)
    return files


def _no_file(path: Path) -> PictureError:
    """Return why there is no picture file at this place, and which ones are near."""
    folder = path if is_folder(path) else path.parent
    advice = "give a path that is absolute, or relative to the recipe's or the working folder"
    try:
        names = sorted(entry.name for entry in folder.iterdir() if is_file(entry))
    except (OSError, ValueError):
        return PictureError(
            "the picture's folder does not exist or cannot be read.", where=str(path), to_do=advice
        )
    near = [name for name in names if is_picture(folder / name)][:8]
    where = f"{path}; pictures in that folder: {', '.join(near) or 'none'}"
    if folder == path:
        return PictureError(
            f"{path.name or path} is a folder, not a picture.",
            where=where,
            to_do="give one picture file",
        )
    what = "is no ordinary file" if os.path.lexists(path) else ""
    return PictureError(
        f"{path.name!r} {what}." if what else f"there is no picture named {path.name!r}.",
        where=where,
        to_do=f"{did_you_mean(path.name, names)}{advice}",
    )


def is_picture(path: Path) -> bool:
    """Return whether a file is taken for a picture: not hidden, and with an ending that is read."""
    return not path.name.startswith(".") and path.suffix.lower() in READ and is_file(path)


def _counted(file: Path) -> list[str | int]:
    parts = re.split(r"(\d+)", file.name)
    return [int(part) if part.isdecimal() else part for part in parts]
