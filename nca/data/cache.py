"""Arrays that were made once and are kept in the data folder, under a name made of their source.

What has changed has another name, so that nothing old is ever taken for new. A cache that is
damaged is made anew, and one that cannot be written is done without.
"""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nca.data.arrays import parse_arrays, read_whole
from nca.data.idx import roots
from nca.errors import DataError, StorageError
from nca.files import is_file, make_folder, write_whole
from nca.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np

FOLDER = "prepared"
"""The folder in the data folder; what is in it may be deleted at any time."""


def cached_arrays(
    name: str,
    make: Callable[[], Mapping[str, "np.ndarray"]],
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, "np.ndarray"]:
    """Return arrays by name, made only where they are not kept already.

    Args:
        name: Follows from all that they are made of.
        make: Makes them.
        folder: The data folder, if the user named one.
        progress: Where it is said that they cannot be kept.
    """
    import numpy as np

    path = roots(folder)[0] / FOLDER / f"{name}.npz"
    if (found := _read(path)) is not None:
        return found
    made = dict(make())
    written = io.BytesIO()
    np.savez(written, **made)  # pyright: ignore[reportArgumentType]
    to_do = "make room there, or choose another folder with --data FOLDER"
    try:
        make_folder(path.parent, "the folder of prepared data", to_do)
        write_whole(path, written.getvalue(), to_do=to_do)
    except StorageError as fault:
        progress.note(f"the prepared data are not kept: {fault.what}")
    return made


def _read(path: Path) -> dict[str, "np.ndarray"] | None:
    try:
        return parse_arrays(read_whole(path), path.name) if is_file(path) else None
    except DataError:
        return None
