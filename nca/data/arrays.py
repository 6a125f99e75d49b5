"""Files of numpy, `.npz` and `.npy`: read whole, and never unpickled."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from nca.errors import DataError
from nca.files import is_file, read_bounded

if TYPE_CHECKING:  # data sets are listed without numpy
    import numpy as np

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises on a file that is damaged, or holds objects of Python."""


def read_whole(path: Path) -> bytes:
    """Return the bytes of a file, however many it has.

    Raises:
        DataError: It is missing, no ordinary file, or may not be read.
    """
    if not is_file(path):
        raise DataError(
            f"there is no file {path.name!r}.",
            where=str(path),
            to_do="give a file that is there; for a checkpoint whose data lie elsewhere now: "
            "--set task.dataset.path=FILE",
        )
    return read_bounded(path, path.stat().st_size, path.name, error=DataError)


def parse_arrays(content: bytes, name: str) -> dict[str, "np.ndarray"]:
    """Return the arrays of a file by name; the one of an `.npy` has the empty name.

    Args:
        content: All bytes of the file.
        name: What to call it.

    Raises:
        DataError: It is damaged, of another format, or holds objects of Python.
    """
    import numpy as np

    try:
        if not content.startswith((b"PK", b"\x93NUMPY")):  # numpy would take it for a pickle
            raise ValueError("it begins otherwise")
        found = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"": found}
        with found:
            return {key: found[key] for key in found.files}
    except UNREADABLE as fault:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        objects = "Object arrays" in reason
        what = "holds objects of Python, which are never unpickled" if objects else reason
        raise DataError(
            f"{name!r} cannot be read as arrays: {what}.",
            where=name,
            to_do="write it anew by numpy.savez(path, images=images, labels=labels), with arrays "
            "of numbers",
        ) from fault
